import { z } from 'zod';
import { planLimits } from './plans.js';

/** Who is calling: what a credential resolved to. The queue scope is the key record's, never a token's. */
export const principal = z.object({
  organizationId: z.uuid(),
  apiKeyId: z.uuid(),
  credential: z.enum(['key', 'jwt']),
  /** Queue names the key may use; empty = unrestricted. */
  queues: z.array(z.string()),
  plan: planLimits,
  /** Requests per minute of this key alone. */
  keyRateLimit: z.number().nullable(),
  keyExpiresAt: z.string().nullable(),
  /** Present for a JWT; times in unix seconds. */
  token: z
    .object({ issuedAt: z.number(), expiresAt: z.number(), jti: z.string(), sid: z.string() })
    .optional(),
  /** A browser ticket may be good for one queue or one job only. */
  narrowedTo: z.object({ queue: z.string().nullable(), jobId: z.string().nullable() }).optional(),
});
export type Principal = z.output<typeof principal>;

export function isUnrestricted(caller: Pick<Principal, 'queues'>): boolean {
  return caller.queues.length === 0;
}

export function canUseQueue(caller: Pick<Principal, 'queues'>, queueName: string): boolean {
  return isUnrestricted(caller) || caller.queues.includes(queueName);
}

/** Browser tickets are told from keys and tokens by this beginning. */
export const TICKET_PREFIX = 'tkt_';

export function isTicket(credential: string): boolean {
  return credential.startsWith(TICKET_PREFIX);
}
