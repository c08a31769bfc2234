import { z } from 'zod';
import { rpc } from '../rpc.js';
import { forgetOrganization } from '../auth/forget-organization.js';
import { rpcSubject } from '../subjects.js';

export const webhooksRpc = {
  /** Deletes all that the service keeps of an organization; not done: there is more, ask again. Safe to repeat. */
  forgetOrganization: forgetOrganization('webhooks'),
  /** How many enabled outgoing webhooks an organization has. Where nobody answers this, there are no webhooks. */
  usage: rpc({
    subject: rpcSubject('webhooks', 'usage'),
    request: z.object({ organizationId: z.uuid() }),
    response: z.object({ webhooks: z.int().min(0) }),
    timeoutMs: 2000,
  }),
};
