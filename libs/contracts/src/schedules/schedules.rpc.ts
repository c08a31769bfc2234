import { z } from 'zod';
import { rpc } from '../rpc.js';
import { forgetOrganization } from '../auth/forget-organization.js';
import { rpcSubject } from '../subjects.js';

export const schedulesRpc = {
  /** Deletes all that the service keeps of an organization; not done: there is more, ask again. Safe to repeat. */
  forgetOrganization: forgetOrganization('schedules'),
  /** How many active schedules an organization has. */
  usage: rpc({
    subject: rpcSubject('schedules', 'usage'),
    request: z.object({ organizationId: z.uuid() }),
    response: z.object({ schedules: z.int().min(0) }),
    timeoutMs: 2000,
  }),
};
