import { z } from 'zod';
import { dependencyMode } from '../jobs/dependencies.api.js';
import { jobStatus, maxRetries, priority, timeoutSeconds } from '../jobs/job.schema.js';
import { route } from '../route.js';
import { instant, json, jsonObject, limit, offset, queueName, text, timestamp } from '../text.js';

const service = 'job-api' as const;

export const workflowStatus = z.enum(['pending', 'running', 'completed', 'failed', 'cancelled']);
export type WorkflowStatus = z.output<typeof workflowStatus>;

const key = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[A-Za-z0-9_-]+$/, 'must use A-Z a-z 0-9 _ -');

export const workflowJobRequest = z.object({
  key,
  queue_name: queueName,
  payload: json.refine((value) => value !== undefined, 'is required'),
  priority: priority.default(0),
  max_retries: maxRetries.nullish(),
  timeout_seconds: timeoutSeconds.nullish(),
  expires_at: timestamp.nullish(),
  scheduled_at: timestamp.nullish(),
  depends_on: z.array(z.string()).nullish().describe('keys of this workflow'),
  dependency_mode: dependencyMode.nullish().describe('default: all'),
});
export type WorkflowJobRequest = z.output<typeof workflowJobRequest>;

export const createWorkflowRequest = z.object({
  name: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[A-Za-z0-9 _.()-]+$/, 'must use A-Z a-z 0-9, space and _ . ( ) -'),
  description: text(0, 1000).nullish(),
  metadata: jsonObject(65_536).nullish(),
  jobs: z.array(workflowJobRequest).min(1).max(100),
});
export type CreateWorkflowRequest = z.output<typeof createWorkflowRequest>;

export const workflow = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  status: workflowStatus,
  total_jobs: z.int(),
  completed_jobs: z.int(),
  failed_jobs: z.int().describe('ended without completing'),
  progress_percent: z.number().describe('completed / total x 100'),
  created_at: instant,
  started_at: instant.nullable(),
  completed_at: instant.nullable(),
  metadata: z.record(z.string(), z.unknown()).nullable(),
});
export type Workflow = z.output<typeof workflow>;

export const workflowDetail = workflow.extend({
  organization_id: z.string(),
  jobs: z.array(
    z.object({
      id: z.string(),
      organization_id: z.string(),
      queue: z.string(),
      key: z.string(),
      job_type: z.string().describe('`payload.job_type`, else `job`'),
      payload: json,
      status: jobStatus,
      priority: z.int(),
      attempt: z.int(),
      max_retries: z.int(),
      backoff_type: z.literal('exponential'),
      timeout_ms: z.int(),
      created_at: instant,
      scheduled_at: instant.nullable(),
      started_at: instant.nullable(),
      completed_at: instant.nullable(),
      result: json,
      error: z.object({ type: z.string(), message: z.string() }).nullable(),
      metadata: json,
      workflow_id: z.string(),
      parent_job_id: z.string().nullable(),
    }),
  ),
  dependencies: z.array(
    z.object({
      parent_job_id: z.string(),
      child_job_id: z.string(),
      dependency_type: z.literal('success'),
    }),
  ),
  progress: z.object({
    total: z.int(),
    completed: z.int(),
    failed: z.int(),
    pending: z.int(),
    processing: z.int(),
  }),
});
export type WorkflowDetail = z.output<typeof workflowDetail>;

export const workflowJob = z.object({
  id: z.string(),
  workflow_id: z.string(),
  key: z.string(),
  queue_name: z.string(),
  status: jobStatus,
  payload: json,
  result: json,
  error: z.string().nullable(),
  depends_on: z.array(z.string()).describe('keys'),
  priority: z.int(),
  max_retries: z.int(),
  attempt: z.int(),
  timeout_seconds: z.int(),
  created_at: instant,
  started_at: instant.nullable(),
  completed_at: instant.nullable(),
});
export type WorkflowJob = z.output<typeof workflowJob>;

export const workflowsApi = {
  create: route({
    service,
    method: 'POST',
    path: '/workflows',
    auth: 'key',
    summary: 'Enqueue jobs that wait for each other, all in one transaction.',
    body: createWorkflowRequest,
    responses: {
      200: z.object({
        workflow_id: z.string(),
        job_ids: z.array(z.object({ key: z.string(), job_id: z.string() })),
        status: workflowStatus,
      }),
    },
    errors: ['ACCESS_DENIED', 'FEATURE_DISABLED', 'PAYLOAD_TOO_LARGE', 'QUOTA_EXCEEDED'],
  }),
  list: route({
    service,
    method: 'GET',
    path: '/workflows',
    auth: 'key',
    summary: 'List workflows, newest first.',
    query: z.object({
      status: workflowStatus.optional().catch(undefined),
      limit: limit(100, 50),
      offset,
    }),
    responses: { 200: z.array(workflow) },
  }),
  get: route({
    service,
    method: 'GET',
    path: '/workflows/:id',
    auth: 'key',
    summary: 'Read a workflow with its jobs and their dependencies.',
    responses: { 200: workflowDetail },
    errors: ['NOT_FOUND'],
  }),
  cancel: route({
    service,
    method: 'POST',
    path: '/workflows/:id/cancel',
    auth: 'key',
    summary: 'Cancel the jobs that have not begun; running ones may finish.',
    responses: { 200: workflow },
    errors: ['NOT_FOUND', 'CONFLICT'],
  }),
  retry: route({
    service,
    method: 'POST',
    path: '/workflows/:id/retry',
    auth: 'key',
    summary: 'Return the jobs of a failed workflow that did not complete to pending.',
    responses: { 200: workflow },
    errors: ['NOT_FOUND', 'FEATURE_DISABLED', 'QUOTA_EXCEEDED'],
  }),
  jobs: route({
    service,
    method: 'GET',
    path: '/workflows/:id/jobs',
    auth: 'key',
    summary: 'List the jobs of a workflow in their order.',
    responses: { 200: z.array(workflowJob) },
    errors: ['NOT_FOUND'],
  }),
  jobStatuses: route({
    service,
    method: 'GET',
    path: '/workflows/:id/jobs/status',
    auth: 'key',
    summary: 'Read where the jobs of a workflow stand.',
    responses: {
      200: z.array(
        z.object({
          job_id: z.string(),
          key: z.string(),
          status: jobStatus,
          progress: z.number().nullable().describe('percent, as last reported'),
        }),
      ),
    },
    errors: ['NOT_FOUND'],
  }),
  job: route({
    service,
    method: 'GET',
    path: '/workflows/:id/jobs/:jobId',
    auth: 'key',
    summary: 'Read one job of a workflow.',
    responses: { 200: workflowJob },
    errors: ['NOT_FOUND'],
  }),
};
