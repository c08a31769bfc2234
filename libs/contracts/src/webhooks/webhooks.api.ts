import { z } from 'zod';
import { route } from '../route.js';
import { instant, json, text, timestamp } from '../text.js';

const service = 'webhook-dispatcher' as const;

/** What an outgoing webhook can be told of. */
export const webhookEventName = z.enum([
  'job.created',
  'job.started',
  'job.completed',
  'job.failed',
  'job.cancelled',
  'queue.paused',
  'queue.resumed',
  'worker.registered',
  'worker.deregistered',
  'schedule.triggered',
]);
export type WebhookEventName = z.output<typeof webhookEventName>;

const name = text(1, 255);
const url = text(1, 2048).describe('https, of the public internet');
const events = z
  .array(webhookEventName)
  .min(1)
  .transform((names) => [...new Set(names)]);
const secret = text(0, 255).describe(
  'signs deliveries; `whsec_` and base64 as Standard Webhooks has it, or any text',
);

export const createWebhookRequest = z.object({
  name,
  url,
  events,
  secret: secret.nullish(),
  enabled: z.boolean().nullish().describe('default true'),
});
export type CreateWebhookRequest = z.output<typeof createWebhookRequest>;

/** What is left out stays; null empties what may be empty, and leaves the rest. */
export const updateWebhookRequest = z.object({
  name: name.nullish(),
  url: url.nullish(),
  events: events.nullish(),
  secret: secret.nullish(),
  previous_secret_until: timestamp
    .nullish()
    .describe('with a new secret: until when the one before it signs too; at most 7 days ahead'),
  enabled: z.boolean().nullish(),
});
export type UpdateWebhookRequest = z.output<typeof updateWebhookRequest>;

export const webhook = z.object({
  id: z.string(),
  organization_id: z.string(),
  name: z.string(),
  url: z.string(),
  events: z.array(webhookEventName),
  enabled: z.boolean(),
  failure_count: z.int().describe('deliveries that failed for good since the last success'),
  last_triggered_at: instant.nullable(),
  last_status: z
    .enum(['success', 'failed', 'auto_disabled'])
    .nullable()
    .describe('auto_disabled: 20 deliveries failed one after the other'),
  created_at: instant,
  updated_at: instant,
});
export type Webhook = z.output<typeof webhook>;

export const deliveryStatus = z.enum(['pending', 'success', 'failed']);
export type DeliveryStatus = z.output<typeof deliveryStatus>;

export const webhookDelivery = z.object({
  id: z.string(),
  webhook_id: z.string(),
  event: z.string(),
  payload: json.describe('the body of each attempt'),
  status: deliveryStatus,
  status_code: z.int().nullable(),
  response_body: z.string().nullable().describe('the first 4 KiB of the last answer'),
  error: z.string().nullable(),
  attempts: z.int(),
  created_at: instant,
  delivered_at: instant.nullable(),
});
export type WebhookDelivery = z.output<typeof webhookDelivery>;

export const webhookTest = z.object({
  success: z.boolean(),
  status_code: z.int().nullable(),
  response_time_ms: z.int(),
  error: z.string().nullable(),
});
export type WebhookTest = z.output<typeof webhookTest>;

export const redelivery = z.object({
  success: z.boolean(),
  message: z.string(),
  delivery_id: z.string(),
  status: deliveryStatus,
});
export type Redelivery = z.output<typeof redelivery>;

export const webhooksApi = {
  list: route({
    service,
    method: 'GET',
    path: '/outgoing-webhooks',
    auth: 'full-key',
    summary: 'List outgoing webhooks, newest first.',
    responses: { 200: z.array(webhook) },
    errors: ['ACCESS_DENIED'],
  }),
  create: route({
    service,
    method: 'POST',
    path: '/outgoing-webhooks',
    auth: 'full-key',
    summary: 'Have events sent to a URL.',
    body: createWebhookRequest,
    responses: { 201: webhook },
    errors: ['ACCESS_DENIED', 'QUOTA_EXCEEDED', 'FEATURE_DISABLED'],
  }),
  get: route({
    service,
    method: 'GET',
    path: '/outgoing-webhooks/:id',
    auth: 'full-key',
    summary: 'Read an outgoing webhook; its secret is never shown.',
    responses: { 200: webhook },
    errors: ['ACCESS_DENIED', 'NOT_FOUND'],
  }),
  update: route({
    service,
    method: 'PUT',
    path: '/outgoing-webhooks/:id',
    auth: 'full-key',
    summary: 'Change an outgoing webhook; enabling it again forgets its failures.',
    body: updateWebhookRequest,
    responses: { 200: webhook },
    errors: ['ACCESS_DENIED', 'NOT_FOUND', 'QUOTA_EXCEEDED', 'FEATURE_DISABLED'],
  }),
  delete: route({
    service,
    method: 'DELETE',
    path: '/outgoing-webhooks/:id',
    auth: 'full-key',
    summary: 'Delete an outgoing webhook; what was not delivered yet is dropped.',
    responses: { 204: null },
    errors: ['ACCESS_DENIED', 'NOT_FOUND'],
  }),
  test: route({
    service,
    method: 'POST',
    path: '/outgoing-webhooks/:id/test',
    auth: 'full-key',
    summary: 'Send a test to the URL now, once, and tell how it went.',
    responses: { 200: webhookTest },
    errors: ['ACCESS_DENIED', 'NOT_FOUND'],
  }),
  deliveries: route({
    service,
    method: 'GET',
    path: '/outgoing-webhooks/:id/deliveries',
    auth: 'full-key',
    summary: 'List the last 100 deliveries, newest first; they are kept for 14 days.',
    responses: { 200: z.array(webhookDelivery) },
    errors: ['ACCESS_DENIED', 'NOT_FOUND'],
  }),
  redeliver: route({
    service,
    method: 'POST',
    path: '/outgoing-webhooks/:id/retry/:delivery_id',
    auth: 'full-key',
    summary: 'Deliver once more, under the same id, with as many attempts as a new delivery.',
    responses: { 200: redelivery },
    errors: ['ACCESS_DENIED', 'NOT_FOUND', 'CONFLICT'],
  }),
};
