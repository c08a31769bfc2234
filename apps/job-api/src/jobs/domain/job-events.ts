import {
  MAX_EVENT_BYTES,
  parseJson,
  type JobStatus,
  type LoggedEvent,
  type StoredEvent,
} from '@spooled/contracts';

/** What every event of a job tells. */
export interface Transition {
  readonly organizationId: string;
  readonly jobId: string;
  readonly queueName: string;
  /** The job's transition number after this one. */
  readonly rev: number;
  readonly at: Date;
  /** The trace context in which the job was put in, where it is known. */
  readonly traceparent?: string | null | undefined;
}

const MAX_ERROR_CHARS = 2048;
/** Envelope and other fields of an event, generously. */
const ENVELOPE_BYTES = 2048;

export function jobCreated(
  transition: Transition,
  priority: number,
  status: JobStatus,
  origin: { readonly workflowId: string | null; readonly scheduleId: string | null },
): LoggedEvent {
  return traced(transition, {
    type: 'JobCreated',
    data: {
      ...subject(transition),
      priority,
      status,
      ...(origin.workflowId === null ? {} : { workflow_id: origin.workflowId }),
      ...(origin.scheduleId === null ? {} : { schedule_id: origin.scheduleId }),
    },
  });
}

export function statusChanged(
  transition: Transition,
  oldStatus: JobStatus,
  newStatus: JobStatus,
  more: { workerId?: string | null; reason?: string } = {},
): LoggedEvent {
  return traced(transition, {
    type: 'JobStatusChange',
    data: {
      ...subject(transition),
      old_status: oldStatus,
      new_status: newStatus,
      ...(more.workerId == null ? {} : { worker_id: more.workerId }),
      ...(more.reason === undefined ? {} : { reason: more.reason }),
    },
  });
}

/** Two facts of one transition: the status changed, and the job completed. */
export function jobCompleted(
  transition: Transition,
  settled: { workerId: string; startedAt: Date; resultJson: string | null },
): LoggedEvent[] {
  const { workerId, startedAt, resultJson } = settled;
  const isTooLarge =
    resultJson !== null && Buffer.byteLength(resultJson) > MAX_EVENT_BYTES - ENVELOPE_BYTES;
  return [
    statusChanged(transition, 'processing', 'completed', { workerId }),
    traced(transition, {
      type: 'JobCompleted',
      data: {
        ...subject(transition),
        duration_ms: Math.max(0, transition.at.getTime() - startedAt.getTime()),
        worker_id: workerId,
        ...(resultJson === null || isTooLarge ? {} : { result: parseJson(resultJson) }),
        ...(isTooLarge ? { result_truncated: true } : {}),
      },
    }),
  ];
}

/** Two facts of one transition: the status changed, and the try failed. */
export function jobFailed(
  transition: Transition,
  failure: {
    workerId: string;
    error: string;
    /** After this failure. */
    retryCount: number;
    /** When the next try is due; null = dead letter. */
    nextRetryAt: Date | null;
  },
): LoggedEvent[] {
  const { workerId, error, retryCount, nextRetryAt } = failure;
  const willRetry = nextRetryAt !== null;
  return [
    statusChanged(transition, 'processing', willRetry ? 'pending' : 'deadletter', { workerId }),
    traced(transition, {
      type: 'JobFailed',
      data: {
        ...subject(transition),
        error: error.slice(0, MAX_ERROR_CHARS),
        retry_count: retryCount,
        will_retry: willRetry,
        ...(nextRetryAt === null ? {} : { next_retry_at: nextRetryAt.toISOString() }),
        worker_id: workerId,
      },
    }),
  ];
}

function traced({ traceparent }: Transition, event: StoredEvent): LoggedEvent {
  return traceparent == null ? event : { ...event, traceparent };
}

function subject({ jobId, queueName, at, rev }: Transition) {
  return { job_id: jobId, queue_name: queueName, timestamp: at.toISOString(), rev };
}
