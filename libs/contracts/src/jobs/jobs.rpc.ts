import { z } from 'zod';
import { hint, rpc } from '../rpc.js';
import { hintSubject, rpcSubject } from '../subjects.js';
import { jobStatus } from './job.schema.js';

/** The counters of one queue, over the jobs that are still retained. */
export const queueCounters = z.object({
  queueName: z.string(),
  pending: z.int().describe('without scheduled ones'),
  scheduled: z.int(),
  processing: z.int(),
  completed: z.int(),
  deadletter: z.int(),
  cancelled: z.int(),
  paused: z.boolean(),
});
export type QueueCounters = z.output<typeof queueCounters>;

export const jobsRpc = {
  /** Where a job stands; `null` when there is no such job in the organization. */
  snapshot: rpc({
    subject: rpcSubject('jobs', 'snapshot'),
    request: z.object({ organizationId: z.uuid(), jobId: z.string().max(255) }),
    response: z.object({
      job: z
        .object({ jobId: z.string(), queueName: z.string(), status: jobStatus, rev: z.int() })
        .nullable(),
    }),
    timeoutMs: 5000,
  }),
  /** Counters of the named queues; zeros for unknown ones. */
  counters: rpc({
    subject: rpcSubject('jobs', 'counters'),
    request: z.object({
      organizationId: z.uuid(),
      queueNames: z.array(z.string().max(100)).min(1).max(500),
    }),
    response: z.object({ queues: z.array(queueCounters) }),
    timeoutMs: 5000,
  }),
  /** Puts every job leased to a worker back: `requested` keeps its retry count, `stale` counts as a lost lease. */
  releaseWorker: rpc({
    subject: rpcSubject('jobs', 'release-worker'),
    request: z.object({
      organizationId: z.uuid(),
      workerId: z.string().max(255),
      cause: z.enum(['requested', 'stale']),
    }),
    response: z.object({ released: z.int() }),
    timeoutMs: 10_000,
  }),
  /** Whether the database answers; an unanswered call means it does not. */
  health: rpc({
    subject: rpcSubject('jobs', 'health'),
    request: z.object({}),
    response: z.object({ database: z.boolean() }),
    timeoutMs: 2000,
  }),
};

/** Jobs became claimable in these queues: waiting claims may try. */
export const workAvailable = hint({
  subject: hintSubject('work'),
  payload: z.object({ queueNames: z.array(z.string()), instance: z.string() }),
});

/** A queue was paused, resumed or configured. */
export const queueChanged = hint({
  subject: hintSubject('queue'),
  payload: z.object({ queueName: z.string() }),
});
