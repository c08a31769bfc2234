import type { StoredEvent } from '../realtime/events.schema.js';
import type { WebhookEventName } from './webhooks.api.js';

/** An event as receivers are told of it. */
export interface WebhookEvent {
  readonly name: WebhookEventName;
  /** When it happened. */
  readonly at: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What a stored event tells receivers; `null` when it is nothing that webhooks tell. */
export function webhookEventOf({ type, data }: StoredEvent): WebhookEvent | null {
  switch (type) {
    case 'JobCreated': {
      const { job_id, queue_name, priority, status, schedule_id, workflow_id } = data;
      const origin = {
        ...(schedule_id === undefined ? {} : { source: 'schedule', schedule_id }),
        ...(workflow_id === undefined ? {} : { source: 'workflow', workflow_id }),
      };
      return told('job.created', data, { job_id, queue_name, priority, status, ...origin });
    }
    case 'JobStatusChange':
      return statusChange(data);
    case 'JobCompleted': {
      const { job_id, queue_name, result = null, result_truncated } = data;
      const truncated = result_truncated === true ? { result_truncated } : {};
      return told('job.completed', data, {
        job_id,
        queue_name,
        status: 'completed',
        result,
        ...truncated,
      });
    }
    case 'JobFailed': {
      const { job_id, queue_name, error, will_retry } = data;
      if (will_retry) return null;
      return told('job.failed', data, { job_id, queue_name, status: 'deadletter', error });
    }
    case 'WorkerRegistered': {
      const { worker_id, queue_name, hostname } = data;
      return told('worker.registered', data, { worker_id, queue_name, hostname });
    }
    case 'WorkerDeregistered': {
      const { worker_id, queue_name } = data;
      return told('worker.deregistered', data, { worker_id, queue_name });
    }
    case 'QueuePaused': {
      const { queue_name, reason } = data;
      return told('queue.paused', data, { queue_name, reason });
    }
    case 'QueueResumed': {
      const { queue_name, paused_duration_secs } = data;
      return told('queue.resumed', data, { queue_name, paused_duration_secs });
    }
    case 'ScheduleTriggered': {
      const { schedule_id, job_id, queue_name } = data;
      return told('schedule.triggered', data, { schedule_id, job_id, queue_name });
    }
    // What a newer release told.
    default:
      return null;
  }
}

function statusChange(
  data: Extract<StoredEvent, { type: 'JobStatusChange' }>['data'],
): WebhookEvent | null {
  const { job_id, queue_name, old_status, new_status, reason } = data;
  const subject = { job_id, queue_name };
  if (new_status === 'processing') {
    return told('job.started', data, { ...subject, worker_id: data.worker_id ?? null });
  }
  if (new_status === 'cancelled') {
    return told('job.cancelled', data, { ...subject, status: new_status, old_status });
  }
  // What a worker reported is told by its `JobFailed`; a lease that was lost has this event alone, with its reason.
  if (new_status === 'deadletter' && reason !== undefined) {
    return told('job.failed', data, { ...subject, status: new_status, error: reason });
  }
  return null;
}

function told(
  name: WebhookEventName,
  { timestamp }: { readonly timestamp: string },
  data: WebhookEvent['data'],
): WebhookEvent {
  return { name, at: timestamp, data };
}
