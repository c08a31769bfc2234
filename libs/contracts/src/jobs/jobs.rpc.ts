import { z } from 'zod';
import { hint, rpc, rpcFailure } from '../rpc.js';
import { auditActor } from '../audit/audit.api.js';
import { forgetOrganization } from '../auth/forget-organization.js';
import { hintSubject, rpcSubject } from '../subjects.js';
import { jobLogData, jobProgressData } from '../realtime/events.schema.js';
import { instant, json, queueName, tags, text } from '../text.js';
import { jobStatus, maxRetries, priority, timeoutSeconds } from './job.schema.js';

/** A job another service puts in. Its id is the caller's: asking again with the same id inserts nothing. */
export const enqueueCommand = z.object({
  organizationId: z.uuid(),
  id: z.uuid().describe('UUIDv7, made by the caller'),
  queueName,
  payload: json.refine((value) => value !== undefined, 'is required'),
  priority: priority.default(0),
  maxRetries: maxRetries.nullable().default(null).describe('null: as the queue says'),
  timeoutSeconds: timeoutSeconds.nullable().default(null).describe('null: as the queue says'),
  tags: tags.nullable().default(null),
  idempotencyKey: text(1, 255).nullable().default(null),
  scheduleId: z.uuid().nullable().default(null).describe('the schedule that fired'),
  traceparent: z.string().nullish().describe('W3C trace context it belongs to'),
});
export type EnqueueCommand = z.output<typeof enqueueCommand>;

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
  /** Deletes all that the service keeps of an organization; not done: there is more, ask again. Safe to repeat. */
  forgetOrganization: forgetOrganization('jobs'),
  /**
   * Inserts jobs on behalf of organizations, against their plans. Each one succeeds or fails by itself; answers in order.
   * Safe to repeat.
   */
  enqueue: rpc({
    subject: rpcSubject('jobs', 'enqueue'),
    request: z.object({ jobs: z.array(enqueueCommand).min(1).max(500) }),
    response: z.object({
      outcomes: z.array(
        z.union([
          z.object({ jobId: z.string(), queueName: z.string(), created: z.boolean() }),
          z.object({ failure: rpcFailure }),
        ]),
      ),
    }),
    timeoutMs: 10_000,
  }),
  /** Where jobs stand; unknown ones are left out. */
  statuses: rpc({
    subject: rpcSubject('jobs', 'statuses'),
    request: z.object({ organizationId: z.uuid(), jobIds: z.array(z.uuid()).max(500) }),
    response: z.object({ jobs: z.array(z.object({ jobId: z.string(), status: jobStatus })) }),
    timeoutMs: 5000,
  }),
  /**
   * Tells which queues the active schedules of an organization feed, always all of them: such queues exist without jobs
   * and are charged to the plan. Refused with `QUOTA_EXCEEDED` when a name is one too many; nothing is changed then.
   */
  setScheduledQueues: rpc({
    subject: rpcSubject('jobs', 'set-scheduled-queues'),
    request: z.object({ organizationId: z.uuid(), queueNames: z.array(queueName).max(100_000) }),
    response: z.object({}),
    timeoutMs: 5000,
  }),
  /**
   * Organizations that have had jobs with a completion webhook, after an id and in order: `newestSeq` is where the event
   * log stood before the first of these jobs was made.
   */
  completionWebhookOrganizations: rpc({
    subject: rpcSubject('jobs', 'completion-webhook-organizations'),
    request: z.object({ after: z.uuid().nullable(), limit: z.int().min(1).max(1000) }),
    response: z.object({
      organizations: z.array(z.object({ organizationId: z.uuid(), newestSeq: z.int().min(0) })),
    }),
    timeoutMs: 5000,
  }),
  /** The completion webhooks of jobs; those that have none are left out. */
  completionWebhooks: rpc({
    subject: rpcSubject('jobs', 'completion-webhooks'),
    request: z.object({ organizationId: z.uuid(), jobIds: z.array(z.uuid()).max(500) }),
    response: z.object({
      webhooks: z.array(
        z.object({ jobId: z.string(), url: z.string(), secret: z.string().nullable() }),
      ),
    }),
    timeoutMs: 5000,
  }),
  /** What of the counted resources an organization uses now. */
  usage: rpc({
    subject: rpcSubject('jobs', 'usage'),
    request: z.object({ organizationId: z.uuid() }),
    response: z.object({
      jobsToday: z.int(),
      activeJobs: z.int(),
      queues: z.int(),
      workflows: z.int(),
    }),
    timeoutMs: 5000,
  }),
  /** The same of many organizations, with all jobs that are kept; zeros for unknown ones. */
  usages: rpc({
    subject: rpcSubject('jobs', 'usages'),
    request: z.object({ organizationIds: z.array(z.uuid()).max(100) }),
    response: z.object({
      organizations: z.array(
        z.object({
          organizationId: z.uuid(),
          jobsToday: z.int(),
          activeJobs: z.int(),
          queues: z.int(),
          totalJobs: z.int().describe('whatever their state'),
        }),
      ),
    }),
    timeoutMs: 5000,
  }),
  /** Jobs of all organizations together. */
  platform: rpc({
    subject: rpcSubject('jobs', 'platform'),
    request: z.object({}),
    response: z.object({
      pending: z.int().describe('without scheduled ones'),
      processing: z.int(),
      active: z.int().describe('pending, scheduled and processing'),
      completed24h: z.int(),
      failed24h: z.int(),
    }),
    timeoutMs: 5000,
  }),
  /** Makes the jobs an organization enqueued today none. Safe to repeat. */
  resetUsage: rpc({
    subject: rpcSubject('jobs', 'reset-usage'),
    request: z.object({ organizationId: z.uuid(), actor: auditActor }),
    response: z.object({}),
    timeoutMs: 5000,
  }),
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
      leasedBefore: instant
        .nullish()
        .describe('when the worker ended: what it leased later belongs to its next life and stays'),
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
  payload: z.object({
    queueNames: z.array(z.string()),
    jobs: z
      .array(z.int().min(1).nullable())
      .optional()
      .describe('how many in each queue, in the order of the names; null or left out: unknown'),
    instance: z.string(),
  }),
});

/** A worker settled a job that it had of another instance, which may have more for it. */
export const jobSettled = hint({
  subject: hintSubject('job-settled'),
  payload: z.object({ jobId: z.string() }),
});

/** A queue was paused, resumed or configured. */
export const queueChanged = hint({
  subject: hintSubject('queue'),
  payload: z.object({ queueName: z.string() }),
});

/** A worker reported; the payload is the `data` of the public `JobProgress` event. */
export const jobProgressed = hint({
  subject: hintSubject('job-progress'),
  payload: jobProgressData,
});

/** A worker wrote; the payload is the `data` of the public `JobLog` event. */
export const jobLogged = hint({
  subject: hintSubject('job-log'),
  payload: jobLogData,
});
