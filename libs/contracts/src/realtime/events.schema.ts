import { z } from 'zod';
import { instant, json } from '../text.js';

const jobStatus = z.string();
const count = z.int().min(0);
const rev = z.int().min(1).describe("the job's own transition number: 1, 2, 3 …");

/** Events that are stored in the event log: they carry a cursor, and a client that was away gets them later. */
export const storedEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('JobCreated'),
    data: z.object({
      job_id: z.string(),
      queue_name: z.string(),
      priority: z.int(),
      timestamp: instant,
      status: jobStatus,
      rev,
      workflow_id: z.string().optional(),
      schedule_id: z.string().optional(),
    }),
  }),
  z.object({
    type: z.literal('JobStatusChange'),
    data: z.object({
      job_id: z.string(),
      queue_name: z.string(),
      old_status: z.string(),
      new_status: jobStatus,
      timestamp: instant,
      rev,
      worker_id: z.string().optional(),
      reason: z.string().optional(),
    }),
  }),
  z.object({
    type: z.literal('JobCompleted'),
    data: z.object({
      job_id: z.string(),
      queue_name: z.string(),
      duration_ms: count,
      timestamp: instant,
      rev,
      worker_id: z.string(),
      result: json.optional(),
      result_truncated: z.boolean().optional(),
    }),
  }),
  z.object({
    type: z.literal('JobFailed'),
    data: z.object({
      job_id: z.string(),
      queue_name: z.string(),
      error: z.string(),
      retry_count: count,
      timestamp: instant,
      rev,
      will_retry: z.boolean(),
      next_retry_at: instant.optional(),
      worker_id: z.string(),
    }),
  }),
  z.object({
    type: z.literal('WorkerRegistered'),
    data: z.object({
      worker_id: z.string(),
      queue_name: z.string(),
      timestamp: instant,
      hostname: z.string(),
    }),
  }),
  z.object({
    type: z.literal('WorkerDeregistered'),
    data: z.object({
      worker_id: z.string(),
      timestamp: instant,
      queue_name: z.string(),
      reason: z.enum(['requested', 'stale']),
    }),
  }),
  z.object({
    type: z.literal('QueuePaused'),
    data: z.object({
      queue_name: z.string(),
      reason: z.string().nullable(),
      timestamp: instant,
    }),
  }),
  z.object({
    type: z.literal('QueueResumed'),
    data: z.object({
      queue_name: z.string(),
      paused_duration_secs: count,
      timestamp: instant,
    }),
  }),
  z.object({
    type: z.literal('ScheduleTriggered'),
    data: z.object({
      schedule_id: z.string(),
      job_id: z.string(),
      queue_name: z.string(),
      timestamp: instant,
    }),
  }),
]);
export type StoredEvent = z.output<typeof storedEvent>;

/**
 * A stored event as it stands in the log: with the W3C trace context of whoever put its job in. Only who reads the log
 * itself gets that; the schema above, by which all others read events, leaves it out.
 */
export type LoggedEvent = StoredEvent & { readonly traceparent?: string };

/** What a worker's report tells; also the payload of the hint that carries it to the gateways. */
export const workerHeartbeatData = z.object({
  worker_id: z.string(),
  status: z.string(),
  current_job_id: z.string().nullable(),
  timestamp: instant,
  queue_name: z.string(),
  current_jobs: count,
});

/** The last of what a worker reported of a job that it holds; also the payload of a hint. */
export const jobProgressData = z.object({
  job_id: z.string(),
  queue_name: z.string(),
  percent: z.number().min(0).max(100),
  message: z.string().nullable(),
  worker_id: z.string(),
  timestamp: instant,
});
export type JobProgressData = z.output<typeof jobProgressData>;

/** Lines that were appended to the log of a job; also the payload of a hint. */
export const jobLogData = z.object({
  job_id: z.string(),
  queue_name: z.string(),
  worker_id: z.string(),
  offset: count.describe("number of the first line among the job's lines, from 0"),
  lines: z.array(z.string()),
  timestamp: instant,
});
export type JobLogData = z.output<typeof jobLogData>;

/** Events about the present moment only: never stored, never with a cursor. */
export const controlEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('QueueStats'),
    data: z.object({
      queue_name: z.string(),
      pending: count.describe('pending and scheduled'),
      processing: count,
      completed: count,
      failed: count.describe('failed and deadletter'),
      scheduled: count,
      deadletter: count,
      paused: z.boolean(),
      timestamp: instant,
    }),
  }),
  z.object({
    type: z.literal('WorkerHeartbeat'),
    data: workerHeartbeatData,
  }),
  z.object({ type: z.literal('JobProgress'), data: jobProgressData }),
  z.object({ type: z.literal('JobLog'), data: jobLogData }),
  z.object({
    type: z.literal('SystemHealth'),
    data: z.object({ database: z.boolean(), redis: z.boolean(), timestamp: instant }),
  }),
  z.object({ type: z.literal('Ping'), data: z.object({ timestamp: instant }) }),
  z.object({
    type: z.literal('Error'),
    data: z.object({
      message: z.string(),
      timestamp: instant,
      code: z.string().optional(),
      resume_from: z.string().optional(),
    }),
  }),
]);
export type ControlEvent = z.output<typeof controlEvent>;

export type RealtimeEvent = StoredEvent | ControlEvent;
export type EventTag = RealtimeEvent['type'];

/** The name of each event on SSE and in the `events` filter. */
export const eventNames: Readonly<Record<EventTag, string>> = {
  JobCreated: 'job.created',
  JobStatusChange: 'job.status',
  JobCompleted: 'job.completed',
  JobFailed: 'job.failed',
  QueueStats: 'queue.stats',
  WorkerHeartbeat: 'worker.heartbeat',
  JobProgress: 'job.progress',
  JobLog: 'job.log',
  WorkerRegistered: 'worker.registered',
  WorkerDeregistered: 'worker.deregistered',
  QueuePaused: 'queue.paused',
  QueueResumed: 'queue.resumed',
  ScheduleTriggered: 'schedule.triggered',
  SystemHealth: 'system.health',
  Ping: 'ping',
  Error: 'error',
};

/** Only for who asks by name: published clients know the other events, and get no more than those by default. */
export const optInEvents: ReadonlySet<EventTag> = new Set([
  'JobProgress',
  'JobLog',
  'QueuePaused',
  'QueueResumed',
  'ScheduleTriggered',
]);

/** No event is larger than this as JSON: a published client drops its connection on a frame over 32768 bytes. */
export const MAX_EVENT_BYTES = 30 * 1024;
