import { z } from 'zod';
import { hint, rpc } from '../rpc.js';
import { hintSubject, rpcSubject } from '../subjects.js';
import { planLimits } from './plans.js';
import { principal } from './principal.js';

export const authRpc = {
  /** Whose credential (API key, access token or ticket) this is; `null` when it grants nothing. */
  resolve: rpc({
    subject: rpcSubject('auth', 'resolve'),
    request: z.object({ credential: z.string().max(8192) }),
    response: z.object({ principal: principal.nullable() }),
    timeoutMs: 2000,
  }),
  /** Whether access that was granted earlier still is: the key's record as it is now, `null` when it grants nothing. */
  check: rpc({
    subject: rpcSubject('auth', 'check'),
    request: z.object({
      organizationId: z.uuid(),
      apiKeyId: z.uuid(),
      token: z.object({ jti: z.string(), sid: z.string() }).nullable(),
    }),
    response: z.object({ principal: principal.nullable() }),
    timeoutMs: 2000,
  }),
  /** The limits that hold for organizations; those that do not exist any more are left out. */
  plans: rpc({
    subject: rpcSubject('auth', 'plans'),
    request: z.object({ organizationIds: z.array(z.uuid()).max(1000) }),
    response: z.object({
      organizations: z.array(z.object({ organizationId: z.uuid(), plan: planLimits })),
    }),
    timeoutMs: 5000,
  }),
  /** What webhooks that come in are checked against; `null` when there is no such organization, or no more. */
  ingestion: rpc({
    subject: rpcSubject('auth', 'ingestion'),
    request: z.object({ organizationId: z.uuid() }),
    response: z.object({
      organization: z
        .object({
          plan: planLimits,
          webhookToken: z.string().nullable(),
          githubSecret: z.string().nullable(),
          stripeSecret: z.string().nullable(),
        })
        .nullable(),
    }),
    timeoutMs: 2000,
  }),
};

/** Keys, tokens or the plan of an organization changed: drop what was cached. A null key means all of them. */
export const authChanged = hint({
  subject: hintSubject('auth'),
  payload: z.object({ apiKeyId: z.uuid().nullable(), sid: z.string().optional() }),
});
