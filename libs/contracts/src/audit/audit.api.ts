import { z } from 'zod';
import { route } from '../route.js';
import { filterText, instant, limit, offset, timestamp } from '../text.js';

/** What is written down: administrative and destructive actions. Names are never changed, only added to. */
export const auditAction = z.enum([
  'organization.created',
  'organization.updated',
  'organization.deleted',
  'plan.changed',
  'usage.reset',
  'webhook_token.regenerated',
  'key.created',
  'key.updated',
  'key.revoked',
  'dead_letters.purged',
  'queue.deleted',
  'jobs.cancelled',
  'jobs.retried',
  'jobs.reprioritized',
  'webhook.redelivered',
]);
export type AuditAction = z.output<typeof auditAction>;

/** Who acted. A token acts as the key it was made from. */
export const auditActor = z.discriminatedUnion('type', [
  z.object({ type: z.literal('api_key'), id: z.uuid() }),
  z.object({ type: z.literal('admin') }),
  z.object({ type: z.literal('system') }),
]);
export type AuditActor = z.output<typeof auditActor>;

export const auditEntry = z.object({
  id: z.string(),
  occurred_at: instant,
  actor_type: z.enum(['api_key', 'admin', 'system']),
  actor_id: z.string().nullable().describe('the API key; null for the others'),
  action: z.string().describe('one of the known actions, or of those yet to come'),
  target: z.string().nullable().describe('id or name of what it was done to; null = the whole'),
  details: z.record(z.string(), z.unknown()),
});
export type AuditEntryWire = z.output<typeof auditEntry>;

export const auditQuery = z.object({
  since: timestamp.optional().describe('not before this instant'),
  until: timestamp.optional().describe('before this instant'),
  actor: filterText.describe('id of an API key, `admin` or `system`'),
  action: filterText.describe('such as `key.revoked`'),
  limit: limit(100, 50),
  offset,
});
export type AuditQuery = z.output<typeof auditQuery>;

export const auditApi = {
  list: route({
    service: 'auth',
    method: 'GET',
    path: '/audit',
    auth: 'full-key',
    summary: 'List what was administered or destroyed in the organization, newest first.',
    query: auditQuery,
    responses: { 200: z.array(auditEntry) },
  }),
};
