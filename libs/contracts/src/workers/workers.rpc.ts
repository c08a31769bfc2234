import { z } from 'zod';
import { hint, rpc } from '../rpc.js';
import { forgetOrganization } from '../auth/forget-organization.js';
import { hintSubject, rpcSubject } from '../subjects.js';
import { instant } from '../text.js';
import { workerHeartbeatData } from '../realtime/events.schema.js';

export const workersRpc = {
  /** Deletes all that the service keeps of an organization; not done: there is more, ask again. Safe to repeat. */
  forgetOrganization: forgetOrganization('workers'),
  /** How many healthy workers serve a queue. */
  active: rpc({
    subject: rpcSubject('workers', 'active'),
    request: z.object({ organizationId: z.uuid(), queueName: z.string().max(100) }),
    response: z.object({ healthy: z.int().min(0) }),
    timeoutMs: 2000,
  }),
  /** The same, and when any registered worker of the queue was last heard of; null: none is known. */
  presence: rpc({
    subject: rpcSubject('workers', 'presence'),
    request: z.object({ organizationId: z.uuid(), queueName: z.string().max(100) }),
    response: z.object({ healthy: z.int().min(0), lastSeenAt: instant.nullable() }),
    timeoutMs: 1000,
  }),
  /** The workers of an organization, of the named queues or of all when null. */
  summary: rpc({
    subject: rpcSubject('workers', 'summary'),
    request: z.object({ organizationId: z.uuid(), queueNames: z.array(z.string()).nullable() }),
    response: z.object({
      total: z.int().min(0).describe('registered'),
      healthy: z.int().min(0),
      counted: z.int().min(0).describe('healthy and degraded: what the plan limits'),
    }),
    timeoutMs: 2000,
  }),
  /** How many workers of organizations their plans count; zeros for unknown ones. */
  usages: rpc({
    subject: rpcSubject('workers', 'usages'),
    request: z.object({ organizationIds: z.array(z.uuid()).max(100) }),
    response: z.object({
      organizations: z.array(z.object({ organizationId: z.uuid(), workers: z.int().min(0) })),
    }),
    timeoutMs: 2000,
  }),
  /** Workers of all organizations together. */
  platform: rpc({
    subject: rpcSubject('workers', 'platform'),
    request: z.object({}),
    response: z.object({
      total: z.int().min(0).describe('registered'),
      healthy: z.int().min(0),
      degraded: z.int().min(0),
    }),
    timeoutMs: 2000,
  }),
};

/** A worker reported; the payload is the `data` of the public `WorkerHeartbeat` event. */
export const workerHeartbeat = hint({
  subject: hintSubject('worker-heartbeat'),
  payload: workerHeartbeatData,
});
