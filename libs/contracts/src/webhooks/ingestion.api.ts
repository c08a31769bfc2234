import { z } from 'zod';
import { jobStatus, priority } from '../jobs/job.schema.js';
import { route, type RouteSpec } from '../route.js';
import { json, queueName, text } from '../text.js';

export const customWebhookRequest = z.object({
  queue_name: queueName,
  event_type: text(1, 100).nullish().describe('becomes `event_type` of the tags'),
  payload: json.refine((value) => value !== undefined, 'is required'),
  idempotency_key: text(1, 255).nullish(),
  priority: priority.nullish().describe('default 0'),
});

export const ingestedJob = z.object({
  job_id: z.string(),
  queue_name: z.string(),
  status: jobStatus,
  created: z.boolean().describe('false: the same delivery came before, and this is its job'),
});
export type IngestedJob = z.output<typeof ingestedJob>;

/** What signs a body signs its bytes, so these routes take the body as it came. */
const shared = {
  service: 'webhook-dispatcher',
  method: 'POST',
  auth: 'public',
  rawBody: true,
  responses: { 200: ingestedJob },
  errors: [
    'UNAUTHORIZED',
    'NOT_FOUND',
    'PAYLOAD_TOO_LARGE',
    'QUOTA_EXCEEDED',
    'FEATURE_DISABLED',
    'SERVICE_UNAVAILABLE',
  ],
} as const satisfies Partial<RouteSpec>;

export const ingestionApi = {
  custom: route({
    ...shared,
    path: '/webhooks/:org_id/custom',
    summary: "Put a job in with the organization's webhook token in `X-Webhook-Token`.",
    body: customWebhookRequest,
  }),
  github: route({
    ...shared,
    path: '/webhooks/:org_id/github',
    summary: 'A webhook of GitHub, signed in `X-Hub-Signature-256`: a job in `github-<event>`.',
    body: json,
  }),
  stripe: route({
    ...shared,
    path: '/webhooks/:org_id/stripe',
    summary: 'An event of Stripe, signed in `Stripe-Signature`: a job in `stripe-<event type>`.',
    body: json,
  }),
};
