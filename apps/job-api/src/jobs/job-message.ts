import type { GrpcJob, Job } from '@spooled/contracts';
import type { LeasedJob } from './store/lease.repository.js';

/** A job as it was leased, as the `Job` message. */
export function leasedJobMessage(
  organizationId: string,
  workerId: string,
  job: LeasedJob,
): GrpcJob {
  return {
    id: job.id,
    organization_id: organizationId,
    queue_name: job.queue_name,
    status: 'JOB_STATUS_PROCESSING',
    payload: structOf(job.payload),
    retry_count: job.retry_count,
    max_retries: job.max_retries,
    last_error: job.last_error,
    priority: job.priority,
    timeout_seconds: job.timeout_seconds,
    created_at: new Date(job.created_at),
    scheduled_at: job.scheduled_at,
    started_at: job.started_at,
    lease_expires_at: new Date(job.lease_expires_at),
    assigned_worker_id: workerId,
    idempotency_key: job.idempotency_key,
    lease_id: job.lease_id,
    traceparent: job.traceparent,
  };
}

/** A job as it was read, as the `Job` message. */
export function jobMessage(job: Job): GrpcJob {
  return {
    id: job.id,
    organization_id: job.organization_id,
    queue_name: job.queue_name,
    status: `JOB_STATUS_${upper(job.status)}`,
    payload: structOf(job.payload),
    result: job.result === null ? null : structOf(job.result),
    retry_count: job.retry_count,
    max_retries: job.max_retries,
    last_error: job.last_error,
    priority: job.priority,
    timeout_seconds: job.timeout_seconds,
    created_at: new Date(job.created_at),
    scheduled_at: instantOf(job.scheduled_at),
    started_at: instantOf(job.started_at),
    completed_at: instantOf(job.completed_at),
    lease_expires_at: instantOf(job.lease_expires_at),
    assigned_worker_id: job.assigned_worker_id,
    idempotency_key: job.idempotency_key,
    lease_id: job.lease_id,
  };
}

/** What REST stored may be any JSON; what is no object cannot be a `Struct` and becomes its only field. */
function structOf(value: unknown): Record<string, unknown> {
  return isPlainObject(value) ? value : { value };
}

/** A number that no double holds is an object too, but not one of ours. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return Object.getPrototypeOf(value) === Object.prototype;
}

function upper<S extends string>(status: S): Uppercase<S> {
  return status.toUpperCase() as Uppercase<S>;
}

function instantOf(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}
