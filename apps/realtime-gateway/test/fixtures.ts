import type {
  ControlEvent,
  JobLogData,
  JobProgressData,
  RealtimeEvent,
  StoredEvent,
} from '@spooled/contracts';

export const now = '2026-11-23T20:00:00.000Z';

export function created(job: string, queue = 'emails', rev = 1): StoredEvent {
  return {
    type: 'JobCreated',
    data: {
      job_id: job,
      queue_name: queue,
      priority: 0,
      status: 'pending',
      rev,
      timestamp: new Date().toISOString(),
    },
  };
}

export function changed(
  job: string,
  to: 'pending' | 'processing' | 'completed' | 'deadletter' | 'cancelled',
  { queue = 'emails', rev = 2, from = 'pending' } = {},
): StoredEvent {
  return {
    type: 'JobStatusChange',
    data: {
      job_id: job,
      queue_name: queue,
      old_status: from,
      new_status: to,
      rev,
      timestamp: new Date().toISOString(),
    },
  };
}

export function completed(job: string, { queue = 'emails', rev = 3 } = {}): StoredEvent {
  return {
    type: 'JobCompleted',
    data: {
      job_id: job,
      queue_name: queue,
      duration_ms: 5,
      worker_id: 'w1',
      rev,
      timestamp: new Date().toISOString(),
    },
  };
}

export function failed(
  job: string,
  willRetry: boolean,
  { queue = 'emails', rev = 3 } = {},
): StoredEvent {
  return {
    type: 'JobFailed',
    data: {
      job_id: job,
      queue_name: queue,
      error: 'boom',
      retry_count: 1,
      will_retry: willRetry,
      worker_id: 'w1',
      rev,
      timestamp: new Date().toISOString(),
    },
  };
}

export function registered(worker: string, queue = 'emails'): StoredEvent {
  return {
    type: 'WorkerRegistered',
    data: { worker_id: worker, queue_name: queue, hostname: 'host', timestamp: now },
  };
}

export function heartbeat(worker: string, job: string | null, queue = 'emails') {
  return {
    type: 'WorkerHeartbeat',
    data: {
      worker_id: worker,
      queue_name: queue,
      status: 'healthy',
      current_job_id: job,
      current_jobs: job === null ? 0 : 1,
      timestamp: now,
    },
  } satisfies ControlEvent;
}

export function progressed(job: string, over: Partial<JobProgressData> = {}) {
  return {
    type: 'JobProgress',
    data: {
      job_id: job,
      queue_name: 'emails',
      percent: 50,
      message: null,
      worker_id: 'w1',
      timestamp: now,
      ...over,
    },
  } satisfies ControlEvent;
}

export function logged(job: string, over: Partial<JobLogData> = {}) {
  return {
    type: 'JobLog',
    data: {
      job_id: job,
      queue_name: 'emails',
      worker_id: 'w1',
      offset: 0,
      lines: ['one', 'two'],
      timestamp: now,
      ...over,
    },
  } satisfies ControlEvent;
}

export function queueStats(queue: string): ControlEvent {
  return {
    type: 'QueueStats',
    data: {
      queue_name: queue,
      pending: 1,
      processing: 0,
      completed: 0,
      failed: 0,
      scheduled: 0,
      deadletter: 0,
      paused: false,
      timestamp: now,
    },
  };
}

export const health: RealtimeEvent = {
  type: 'SystemHealth',
  data: { database: true, redis: true, timestamp: now },
};
export const ping: RealtimeEvent = { type: 'Ping', data: { timestamp: now } };
