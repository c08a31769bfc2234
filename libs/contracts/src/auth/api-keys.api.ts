import { z } from 'zod';
import { route } from '../route.js';
import { instant, text, timestamp } from '../text.js';
import { issuedKey } from './organizations.api.js';

const service = 'auth' as const;

export const keyName = text(1, 100);
/** Queue names a key may use; empty or with `*` = every queue. */
export const keyQueues = z.array(text(1, 255)).max(50);
/** Requests per minute of the key alone. */
export const keyRateLimit = z.int().min(1).max(10_000);

export const apiKey = z.object({
  id: z.string(),
  name: z.string(),
  queues: z.array(z.string()).describe('empty or with `*` = every queue'),
  rate_limit: z.int().nullable().describe('requests per minute; null = the plan alone limits'),
  is_active: z.boolean(),
  created_at: instant,
  last_used: instant.nullable().describe('kept to the minute'),
  expires_at: instant.nullable(),
});
export type ApiKey = z.output<typeof apiKey>;

export const createKeyRequest = z.object({
  name: keyName,
  queues: keyQueues.nullish().describe('default: every queue'),
  rate_limit: keyRateLimit.nullish(),
  expires_at: timestamp
    .refine((value) => Date.parse(value) > Date.now(), 'must be in the future')
    .nullish(),
});
export type CreateKeyRequest = z.output<typeof createKeyRequest>;

export const updateKeyRequest = z.object({
  name: keyName.nullish(),
  queues: keyQueues.nullish(),
  rate_limit: keyRateLimit.nullish().describe('null removes the limit'),
  is_active: z.boolean().nullish(),
});
export type UpdateKeyRequest = z.output<typeof updateKeyRequest>;

export const createdKey = issuedKey.extend({ expires_at: instant.nullable() });
export type CreatedKey = z.output<typeof createdKey>;

export const apiKeysApi = {
  list: route({
    service,
    method: 'GET',
    path: '/api-keys',
    auth: 'full-key',
    summary: 'List the newest 100 keys, revoked ones too.',
    responses: { 200: z.array(apiKey) },
  }),
  create: route({
    service,
    method: 'POST',
    path: '/api-keys',
    auth: 'full-key',
    summary: 'Create a key. Its text is in the answer and nowhere else.',
    body: createKeyRequest,
    responses: { 201: createdKey },
    errors: ['QUOTA_EXCEEDED', 'FEATURE_DISABLED'],
  }),
  get: route({
    service,
    method: 'GET',
    path: '/api-keys/:id',
    auth: 'full-key',
    summary: 'Read a key, revoked or not.',
    responses: { 200: apiKey },
    errors: ['NOT_FOUND'],
  }),
  update: route({
    service,
    method: 'PUT',
    path: '/api-keys/:id',
    auth: 'full-key',
    summary: 'Change a key; omitted fields keep their values. Activating it again is charged.',
    body: updateKeyRequest,
    bodyOptional: true,
    responses: { 200: apiKey },
    errors: ['NOT_FOUND', 'QUOTA_EXCEEDED', 'FEATURE_DISABLED'],
  }),
  revoke: route({
    service,
    method: 'DELETE',
    path: '/api-keys/:id',
    auth: 'full-key',
    summary: 'Revoke a key at once, with every token and stream made from it.',
    responses: { 204: null },
    errors: ['NOT_FOUND'],
  }),
};
