import { z } from 'zod';
import {
  instantField,
  leaseSecsField,
  optionalMap,
  optionalText,
  positiveOrNull,
  queueNameField,
  struct,
  structField,
  workerIdField,
} from '../grpc-fields.js';
import { grpcMethod } from '../grpc.js';
import { timestamp } from '../text.js';
import { leaseId, priority } from './job.schema.js';
import { enqueueRequest } from './jobs.api.js';

const service = 'spooled.v1.QueueService' as const;
const MAX_BATCH_SIZE = 100;
const MAX_UNSETTLED = 1000;
const MAX_RESULT_BYTES = 1_048_576;
const MAX_ERROR_BYTES = 4096;

const rest = enqueueRequest.shape;
const jobIdField = z.string().min(1, 'Job ID is required');
const leaseIdField = optionalText(leaseId.nullable());

/** An `EnqueueRequest` of REST when parsed. */
const enqueue = z.object({
  queue_name: queueNameField,
  payload: structField.transform((value) => value ?? {}),
  priority,
  max_retries: positiveOrNull(rest.max_retries).describe('null: as the queue says'),
  timeout_seconds: positiveOrNull(rest.timeout_seconds).describe('null: as the queue says'),
  scheduled_at: z
    .date()
    .nullable()
    .transform((value) => value?.toISOString() ?? null)
    .pipe(timestamp.nullable()),
  idempotency_key: optionalText(rest.idempotency_key),
  tags: optionalMap(rest.tags),
});

/** One message of `ProcessJobs` that asks for a job, and the request of `Dequeue`. */
export const grpcDequeueRequest = z.object({
  queue_name: queueNameField,
  worker_id: workerIdField,
  lease_duration_secs: leaseSecsField,
  batch_size: z.int().transform((value) => Math.min(Math.max(value, 1), MAX_BATCH_SIZE)),
});

export const grpcCompleteRequest = z.object({
  job_id: jobIdField,
  worker_id: workerIdField,
  result: structField.refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= MAX_RESULT_BYTES,
    `must be at most ${MAX_RESULT_BYTES} bytes of JSON`,
  ),
  lease_id: leaseIdField,
});

export const grpcFailRequest = z.object({
  job_id: jobIdField,
  worker_id: workerIdField,
  error: z.string().transform(storedError),
  retry: z.boolean(),
  lease_id: leaseIdField,
});

export const grpcRenewLeaseRequest = z.object({
  job_id: jobIdField,
  worker_id: workerIdField,
  extension_secs: leaseSecsField,
  lease_id: leaseIdField,
});

/** Loose: a bad message is answered on the stream, so its handler parses the inner one by the schema above. */
const processRequest = z.object({
  request: z.enum(['dequeue', 'complete', 'fail', 'renew_lease']).nullish(),
  dequeue: z.unknown().optional(),
  complete: z.unknown().optional(),
  fail: z.unknown().optional(),
  renew_lease: z.unknown().optional(),
});

/** A worker may not be kept from reporting a failure by the text of it: cut to 4096 bytes, NUL shown as U+FFFD. */
function storedError(text: string): string {
  const error = text.replaceAll('\0', '\uFFFD');
  if (error.length * 3 <= MAX_ERROR_BYTES) return error;
  const bytes = new Uint8Array(MAX_ERROR_BYTES);
  return error.slice(0, new TextEncoder().encodeInto(error, bytes).read);
}

const job = z.object({
  id: z.string(),
  organization_id: z.string(),
  queue_name: z.string(),
  status: z.enum([
    'JOB_STATUS_UNSPECIFIED',
    'JOB_STATUS_PENDING',
    'JOB_STATUS_SCHEDULED',
    'JOB_STATUS_PROCESSING',
    'JOB_STATUS_COMPLETED',
    'JOB_STATUS_FAILED',
    'JOB_STATUS_DEADLETTER',
    'JOB_STATUS_CANCELLED',
  ]),
  payload: struct,
  result: struct,
  retry_count: z.int(),
  max_retries: z.int(),
  last_error: z.string().nullish(),
  priority: z.int(),
  timeout_seconds: z.int(),
  created_at: instantField,
  scheduled_at: instantField,
  started_at: instantField,
  completed_at: instantField,
  lease_expires_at: instantField,
  assigned_worker_id: z.string().nullish(),
  idempotency_key: z.string().nullish(),
  lease_id: z.string().nullish(),
  traceparent: z.string().nullish(),
});
export type GrpcJob = z.input<typeof job>;

const completeResponse = z.object({ success: z.boolean() });
const failResponse = z.object({
  success: z.boolean(),
  will_retry: z.boolean(),
  next_retry_delay_secs: z.int(),
});
const renewLeaseResponse = z.object({ success: z.boolean(), new_expires_at: instantField });

/** Why a request of `ProcessJobs` could not be done. */
const processError = z.enum([
  'NO_JOBS',
  'INVALID_REQUEST',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'LEASE_EXPIRED',
  'PERMISSION_DENIED',
  'RATE_LIMIT_EXCEEDED',
  'UNAUTHENTICATED',
  'INTERNAL',
]);
export type GrpcProcessError = z.output<typeof processError>;

const processResponse = z.union([
  z.object({ job }),
  z.object({ complete: completeResponse }),
  z.object({ fail: failResponse }),
  z.object({ renew_lease: renewLeaseResponse }),
  z.object({ error: z.object({ code: processError, message: z.string() }) }),
]);
export type GrpcProcessResponse = z.input<typeof processResponse>;

export const jobsGrpc = {
  enqueue: grpcMethod({
    service,
    method: 'Enqueue',
    kind: 'unary',
    request: enqueue,
    response: z.object({ job_id: z.string(), created: z.boolean() }),
  }),
  dequeue: grpcMethod({
    service,
    method: 'Dequeue',
    kind: 'unary',
    request: grpcDequeueRequest,
    response: z.object({ jobs: z.array(job) }),
  }),
  complete: grpcMethod({
    service,
    method: 'Complete',
    kind: 'unary',
    request: grpcCompleteRequest,
    response: completeResponse,
  }),
  fail: grpcMethod({
    service,
    method: 'Fail',
    kind: 'unary',
    request: grpcFailRequest,
    response: failResponse,
  }),
  renewLease: grpcMethod({
    service,
    method: 'RenewLease',
    kind: 'unary',
    request: grpcRenewLeaseRequest,
    response: renewLeaseResponse,
  }),
  getJob: grpcMethod({
    service,
    method: 'GetJob',
    kind: 'unary',
    /** What cannot be an id is an unknown one. */
    request: z.object({ job_id: z.string() }),
    response: z.object({ job: job.nullish() }),
  }),
  getQueueStats: grpcMethod({
    service,
    method: 'GetQueueStats',
    kind: 'unary',
    request: z.object({ queue_name: queueNameField }),
    response: z.object({
      queue_name: z.string(),
      pending: z.int(),
      scheduled: z.int(),
      processing: z.int(),
      completed: z.int(),
      failed: z.int(),
      deadletter: z.int(),
      total: z.int(),
      max_age_ms: z.int(),
    }),
  }),
  streamJobs: grpcMethod({
    service,
    method: 'StreamJobs',
    kind: 'server-stream',
    request: grpcDequeueRequest.omit({ batch_size: true }).extend({
      max_unsettled: z.int().transform((value) => Math.min(Math.max(value, 1), MAX_UNSETTLED)),
    }),
    response: job,
  }),
  processJobs: grpcMethod({
    service,
    method: 'ProcessJobs',
    kind: 'bidi',
    request: processRequest,
    response: processResponse,
  }),
};
