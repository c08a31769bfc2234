import { z } from 'zod';
import { rpc } from '../rpc.js';
import { rpcSubject } from '../subjects.js';

export const schedulesRpc = {
  /** How many active schedules an organization has. */
  usage: rpc({
    subject: rpcSubject('schedules', 'usage'),
    request: z.object({ organizationId: z.uuid() }),
    response: z.object({ schedules: z.int().min(0) }),
    timeoutMs: 2000,
  }),
};
