import { z } from 'zod';
import { organization } from '../auth/organizations.api.js';
import { route } from '../route.js';

const service = 'auth' as const;

export const billingStatus = organization
  .pick({
    plan_tier: true,
    stripe_subscription_id: true,
    stripe_subscription_status: true,
    stripe_current_period_end: true,
    stripe_cancel_at_period_end: true,
  })
  .extend({ has_stripe_customer: z.boolean() });
export type BillingStatus = z.output<typeof billingStatus>;

export const portalRequest = z.object({
  return_url: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .describe('where the portal leads back to; of an origin that the server knows'),
});

/** Where nobody configured billing. */
const notConfigured = z.object({
  code: z.literal('FEATURE_DISABLED'),
  error: z.string(),
  message: z.string(),
});

/** Payment, which Stripe does: it tells what was paid for, and the plan follows. */
export const billingApi = {
  status: route({
    service,
    method: 'GET',
    path: '/billing/status',
    auth: 'key',
    summary: 'Read the plan and what is known of its subscription.',
    responses: { 200: billingStatus },
    errors: ['NOT_FOUND'],
  }),
  portal: route({
    service,
    method: 'POST',
    path: '/billing/portal',
    auth: 'full-key',
    summary: 'Open the page on which the customer manages payment.',
    body: portalRequest,
    responses: { 200: z.object({ url: z.string() }), 501: notConfigured },
    errors: ['BAD_REQUEST', 'CONFIGURATION_ERROR'],
  }),
  webhook: route({
    service,
    method: 'POST',
    path: '/billing/webhook',
    auth: 'public',
    summary: 'What Stripe tells of subscriptions, with its signature; each event counts once.',
    body: z.looseObject({ id: z.string(), type: z.string(), created: z.int() }),
    rawBody: true,
    responses: { 200: z.object({ received: z.literal(true) }), 501: notConfigured },
    errors: ['BAD_REQUEST', 'CONFLICT'],
  }),
};
