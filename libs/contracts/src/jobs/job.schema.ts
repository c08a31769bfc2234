import { z } from 'zod';
import { instant, json, text } from '../text.js';

/** The only job states, spelled as on the wire. `failed` is reserved: no server path sets it. */
export const jobStatus = z.enum([
  'pending',
  'scheduled',
  'processing',
  'completed',
  'failed',
  'deadletter',
  'cancelled',
]);
export type JobStatus = z.output<typeof jobStatus>;

/** Priorities: claimed from high to low. */
export const priority = z.int().min(-100).max(100);
export const maxRetries = z.int().min(0).max(100);
/** Advice to the worker, in seconds; the server itself enforces only the lease. */
export const timeoutSeconds = z.int().min(1).max(86_400);
export const workerId = text(1, 255);
export const leaseId = text(1, 255);
export const leaseDurationSecs = z.int().min(5).max(3600);

export const job = z.object({
  id: z.string(),
  organization_id: z.string(),
  queue_name: z.string(),
  status: jobStatus,
  payload: json,
  result: json,
  retry_count: z.int(),
  max_retries: z.int(),
  last_error: z.string().nullable(),
  created_at: instant,
  scheduled_at: instant.nullable(),
  started_at: instant.nullable(),
  completed_at: instant.nullable(),
  expires_at: instant.nullable(),
  priority: z.int(),
  tags: json,
  timeout_seconds: z.int(),
  parent_job_id: z.string().nullable(),
  completion_webhook: z.string().nullable(),
  assigned_worker_id: z.string().nullable(),
  lease_id: z.string().nullable(),
  lease_expires_at: instant.nullable(),
  idempotency_key: z.string().nullable(),
  updated_at: instant,
  workflow_id: z.string().nullable(),
  dependency_mode: z.enum(['all', 'any']).nullable(),
  dependencies_met: z.boolean(),
});
export type Job = z.output<typeof job>;

export const jobSummary = z.object({
  id: z.string(),
  queue_name: z.string(),
  status: jobStatus,
  priority: z.int(),
  retry_count: z.int(),
  attempt: z.int().describe('equal to retry_count'),
  max_retries: z.int(),
  job_type: z.string().describe('`job_type` of the payload, up to 255 characters; else empty'),
  last_error: z.string().nullable(),
  created_at: instant,
  scheduled_at: instant.nullable(),
  started_at: instant.nullable(),
  completed_at: instant.nullable(),
});
export type JobSummary = z.output<typeof jobSummary>;

/** What a worker gets with its lease. */
export const claimedJob = z.object({
  id: z.string(),
  queue_name: z.string(),
  payload: json,
  retry_count: z.int(),
  max_retries: z.int(),
  timeout_seconds: z.int(),
  lease_expires_at: instant,
  lease_id: z.string(),
  priority: z.int(),
  tags: json,
  created_at: instant,
  workflow_id: z.string().nullable(),
  traceparent: z
    .string()
    .nullable()
    .describe('W3C trace context in which it was put in, to link the work to; null: none'),
});
export type ClaimedJob = z.output<typeof claimedJob>;
