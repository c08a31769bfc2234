import { z } from 'zod';
import { route } from '../route.js';
import {
  filterText,
  instant,
  json,
  limit,
  offset,
  queueName,
  tags,
  text,
  timestamp,
} from '../text.js';
import {
  claimedJob,
  job,
  jobStatus,
  jobSummary,
  leaseDurationSecs,
  leaseId,
  maxRetries,
  priority,
  timeoutSeconds,
  workerId,
  type JobStatus,
} from './job.schema.js';
import { bulkActionsApi } from './bulk-actions.api.js';
import { historyRoute } from './history.api.js';
import { whyRoute } from './why.api.js';

const idempotencyKey = text(1, 255);
const service = 'job-api' as const;
/** A tag as lists filter by it: a key of a tags object, an element of a tags array. */
export const listTag = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/);

export const enqueueRequest = z.object({
  queue_name: queueName,
  payload: json.refine((value) => value !== undefined, 'is required'),
  priority: priority.default(0),
  max_retries: maxRetries.nullish(),
  timeout_seconds: timeoutSeconds.nullish(),
  scheduled_at: timestamp.nullish(),
  expires_at: timestamp.nullish(),
  tags: tags.nullish(),
  parent_job_id: text(1, 255).nullish(),
  completion_webhook: text(1, 2048).nullish(),
  completion_webhook_secret: text(0, 255).nullish(),
  idempotency_key: idempotencyKey.nullish(),
});
export type EnqueueRequest = z.output<typeof enqueueRequest>;

/** One entry of a bulk call; checked one by one, so that a bad one fails alone. */
export const bulkItem = z.object({
  payload: json.refine((value) => value !== undefined, 'is required'),
  priority: priority.nullish(),
  idempotency_key: idempotencyKey.nullish(),
  scheduled_at: timestamp.nullish(),
});
export type BulkItem = z.output<typeof bulkItem>;

export const bulkRequest = z.object({
  queue_name: queueName,
  jobs: z.array(z.unknown()).min(1).max(100),
  default_priority: priority.nullish(),
  default_max_retries: maxRetries.nullish(),
  default_timeout_seconds: timeoutSeconds.nullish(),
});
export type BulkRequest = z.output<typeof bulkRequest>;

export const bulkResponse = z.object({
  succeeded: z.array(z.object({ index: z.int(), job_id: z.string(), created: z.boolean() })),
  failed: z.array(z.object({ index: z.int(), error: z.string() })),
  total: z.int(),
  success_count: z.int(),
  failure_count: z.int(),
});
export type BulkResponse = z.output<typeof bulkResponse>;

/** Columns a list can be ordered by. */
export const jobOrder = z.enum([
  'created_at',
  'updated_at',
  'scheduled_at',
  'completed_at',
  'priority',
  'status',
  'queue_name',
  'retry_count',
]);
export type JobOrder = z.output<typeof jobOrder>;

/** Several with commas between them; unknown ones are ignored. None, or none that is known: any. */
const statusList = z
  .string()
  .default('')
  .catch('')
  .transform((value): JobStatus[] => {
    const named = new Set(value.split(',').map((each) => each.trim()));
    return jobStatus.options.filter((status) => named.has(status));
  })
  .describe('one status, or several with commas between them');

/** Unknown or malformed filter values are ignored, never refused. */
export const listQuery = z.object({
  queue_name: filterText,
  queue: filterText.describe('alias of queue_name'),
  status: statusList,
  q: text(1, 255)
    .optional()
    .catch(undefined)
    .describe(
      'What a job is called: the beginning of its id, its idempotency key or a tag of it, exactly; or, whatever the case, a ' +
        'part of the name of its queue or job type (the first five that contain it). The newest 1000 matches, or the ' +
        'oldest, in the order of their creation.',
    ),
  job_type: filterText.describe('`job_type` of the payload, exactly'),
  created_after: timestamp.optional().catch(undefined).describe('not before this instant'),
  created_before: timestamp.optional().catch(undefined).describe('before this instant'),
  tag: listTag.optional().catch(undefined),
  limit: limit(100, 50),
  offset,
  order_by: jobOrder.default('created_at').catch('created_at'),
  order_dir: z.enum(['asc', 'desc']).default('desc').catch('desc'),
});
export type ListQuery = z.output<typeof listQuery>;

export const jobStats = z.object({
  pending: z.int(),
  scheduled: z.int(),
  processing: z.int(),
  completed: z.int(),
  failed: z.int(),
  deadletter: z.int(),
  cancelled: z.int(),
  total: z.int(),
});
export type JobStats = z.output<typeof jobStats>;

export const batchStatus = z.object({
  id: z.string(),
  status: jobStatus,
  queue_name: z.string(),
  retry_count: z.int(),
  attempt: z.int(),
  max_retries: z.int(),
  created_at: instant,
  started_at: instant.nullable(),
  completed_at: instant.nullable(),
});
export type BatchStatus = z.output<typeof batchStatus>;

export const claimRequest = z.object({
  queue_name: queueName,
  worker_id: workerId,
  limit: z.int().min(1).max(100).default(1),
  lease_duration_secs: leaseDurationSecs.nullish().describe('default WORKER_LEASE_DURATION_SECS'),
  wait_secs: z.int().min(0).max(20).default(0).describe('hold the call until a job is eligible'),
});
export type ClaimRequest = z.output<typeof claimRequest>;

export const completeRequest = z.object({
  worker_id: workerId,
  result: json.optional(),
  lease_id: leaseId.nullish(),
});
export const failRequest = z.object({
  worker_id: workerId,
  error: text(1, 2048),
  lease_id: leaseId.nullish(),
});
export const heartbeatRequest = z.object({
  worker_id: workerId,
  lease_duration_secs: leaseDurationSecs,
  lease_id: leaseId.nullish(),
});

const success = z.object({ success: z.literal(true) });

export const jobsApi = {
  create: route({
    service,
    method: 'POST',
    path: '/jobs',
    auth: 'key',
    summary: 'Enqueue a job. 200 with `created: false` when the idempotency key is known.',
    body: enqueueRequest,
    responses: {
      201: z.object({ id: z.string(), created: z.boolean() }),
      200: z.object({ id: z.string(), created: z.boolean() }),
    },
    errors: [
      'ACCESS_DENIED',
      'CONFLICT',
      'FEATURE_DISABLED',
      'PAYLOAD_TOO_LARGE',
      'QUOTA_EXCEEDED',
    ],
  }),
  list: route({
    service,
    method: 'GET',
    path: '/jobs',
    auth: 'key',
    summary: 'List jobs, newest first.',
    query: listQuery,
    responses: { 200: z.array(jobSummary) },
    isPaged: true,
  }),
  bulk: route({
    service,
    method: 'POST',
    path: '/jobs/bulk',
    auth: 'key',
    summary: 'Enqueue up to 100 jobs into one queue; a bad item fails alone.',
    body: bulkRequest,
    responses: { 200: bulkResponse },
    errors: ['ACCESS_DENIED', 'FEATURE_DISABLED', 'QUOTA_EXCEEDED'],
  }),
  ...bulkActionsApi,
  claim: route({
    service,
    method: 'POST',
    path: '/jobs/claim',
    auth: 'key',
    summary: 'Lease up to `limit` jobs to a worker; may wait for one.',
    body: claimRequest,
    mayWait: true,
    responses: { 200: z.object({ jobs: z.array(claimedJob) }) },
    errors: ['ACCESS_DENIED'],
  }),
  stats: route({
    service,
    method: 'GET',
    path: '/jobs/stats',
    auth: 'key',
    summary: 'Count jobs by status.',
    query: z.object({ queue_name: filterText }),
    responses: { 200: jobStats },
  }),
  status: route({
    service,
    method: 'GET',
    path: '/jobs/status',
    auth: 'key',
    summary: 'Look up the status of up to 100 jobs at once.',
    query: z.object({ ids: z.string().default('') }),
    responses: { 200: z.array(batchStatus) },
  }),
  get: route({
    service,
    method: 'GET',
    path: '/jobs/:id',
    auth: 'key',
    summary: 'Read a job.',
    responses: { 200: job },
    errors: ['NOT_FOUND'],
  }),
  why: whyRoute,
  history: historyRoute,
  cancel: route({
    service,
    method: 'DELETE',
    path: '/jobs/:id',
    auth: 'key',
    summary: 'Cancel a pending or scheduled job.',
    responses: { 204: null },
    errors: ['NOT_FOUND', 'CONFLICT'],
  }),
  retry: route({
    service,
    method: 'POST',
    path: '/jobs/:id/retry',
    auth: 'key',
    summary: 'Return a failed or dead-lettered job to pending with a fresh retry budget.',
    responses: { 200: job },
    errors: ['NOT_FOUND', 'CONFLICT', 'FEATURE_DISABLED', 'QUOTA_EXCEEDED'],
  }),
  setPriority: route({
    service,
    method: 'PUT',
    path: '/jobs/:id/priority',
    auth: 'key',
    summary: 'Change the priority of a pending or scheduled job.',
    body: z.object({ priority }),
    responses: {
      200: z.object({ job_id: z.string(), old_priority: z.int(), new_priority: z.int() }),
    },
    errors: ['NOT_FOUND'],
  }),
  complete: route({
    service,
    method: 'POST',
    path: '/jobs/:id/complete',
    auth: 'key',
    summary: 'Settle a leased job as completed.',
    body: completeRequest,
    responses: { 200: success },
    errors: ['NOT_FOUND', 'CONFLICT', 'LEASE_EXPIRED', 'PAYLOAD_TOO_LARGE'],
  }),
  fail: route({
    service,
    method: 'POST',
    path: '/jobs/:id/fail',
    auth: 'key',
    summary: 'Settle a leased job as failed: back to pending with backoff, or dead letter.',
    body: failRequest,
    responses: {
      200: success.extend({ will_retry: z.boolean(), next_retry_at: instant.nullable() }),
    },
    errors: ['NOT_FOUND', 'CONFLICT', 'LEASE_EXPIRED'],
  }),
  heartbeat: route({
    service,
    method: 'POST',
    path: '/jobs/:id/heartbeat',
    auth: 'key',
    summary: 'Renew the lease: it then ends `lease_duration_secs` from now.',
    body: heartbeatRequest,
    responses: { 200: success.extend({ lease_expires_at: instant }) },
    errors: ['NOT_FOUND', 'CONFLICT', 'LEASE_EXPIRED'],
  }),
  progress: route({
    service,
    method: 'POST',
    path: '/jobs/:id/progress',
    auth: 'key',
    summary: 'Report progress of a leased job; the last report is shown on the job.',
    body: z.object({
      worker_id: workerId,
      lease_id: leaseId.nullish(),
      percent: z.number().min(0).max(100),
      message: text(0, 500).nullish(),
    }),
    responses: { 200: success },
    errors: ['NOT_FOUND', 'CONFLICT', 'LEASE_EXPIRED'],
  }),
  appendLogs: route({
    service,
    method: 'POST',
    path: '/jobs/:id/logs',
    auth: 'key',
    summary: 'Append log lines to a leased job.',
    body: z.object({
      worker_id: workerId,
      lease_id: leaseId.nullish(),
      lines: z.array(text(0, 4096)).min(1).max(100),
    }),
    responses: { 200: success },
    errors: ['NOT_FOUND', 'CONFLICT', 'LEASE_EXPIRED'],
  }),
  logs: route({
    service,
    method: 'GET',
    path: '/jobs/:id/logs',
    auth: 'key',
    summary: 'Read the log lines of a job, oldest first.',
    query: z.object({ limit: limit(1000, 100), offset }),
    responses: { 200: z.array(z.object({ line: z.string(), logged_at: instant })) },
    errors: ['NOT_FOUND'],
  }),
};
