import { z } from 'zod';
import { hint, rpc } from '../rpc.js';
import { hintSubject, rpcSubject } from '../subjects.js';
import { workerHeartbeatData } from '../realtime/events.schema.js';

export const workersRpc = {
  /** How many healthy workers serve a queue. */
  active: rpc({
    subject: rpcSubject('workers', 'active'),
    request: z.object({ organizationId: z.uuid(), queueName: z.string().max(100) }),
    response: z.object({ healthy: z.int().min(0) }),
    timeoutMs: 2000,
  }),
};

/** A worker reported; the payload is the `data` of the public `WorkerHeartbeat` event. */
export const workerHeartbeat = hint({
  subject: hintSubject('worker-heartbeat'),
  payload: workerHeartbeatData,
});
