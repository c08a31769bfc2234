import { z } from 'zod';
import { route } from '../route.js';
import { instant, jsonObject, text } from '../text.js';
import { planLimits } from './plans.js';
import { usageInfo } from './usage.js';

const service = 'auth' as const;
const KIB = 1024;

/** Words a slug may not be: they name our own pages, hosts or people. */
export const reservedSlugs: ReadonlySet<string> = new Set([
  'admin',
  'api',
  'app',
  'auth',
  'dashboard',
  'docs',
  'help',
  'internal',
  'login',
  'logout',
  'metrics',
  'root',
  'settings',
  'signup',
  'status',
  'support',
  'system',
  'test',
  'www',
]);

/** How a slug is written: 1-100 lower-case letters, digits and hyphens, no hyphen at an edge. */
export const slugFormat = z
  .string()
  .min(1)
  .max(100)
  .regex(
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/,
    'must use a-z 0-9 and hyphens, and not start or end with a hyphen',
  );

/** A slug that an organization may have: not a reserved word. */
export const slug = slugFormat.refine((value) => !reservedSlugs.has(value), 'is reserved');

export const organizationName = text(3, 100);
export const billingEmail = z.email().max(254);
export const planTier = planLimits.shape.tier;

/** Chosen where the webhooks come from; never empty, which anyone could sign with. */
const ingestionSecret = text(1, 255);

/** Settings are the organization's own, but for the names that ingestion reads. */
export const organizationSettings = z.intersection(
  jsonObject(64 * KIB),
  z.looseObject({
    webhook_token: text(16, 255).optional().describe('hard to guess: it lets jobs in'),
    github_webhook_secret: ingestionSecret.nullish(),
    stripe_webhook_secret: ingestionSecret.nullish(),
  }),
);

/** Bounds of overrides: what every service can count with, in PostgreSQL integers, dates and intervals. */
const limit = z.int().min(0).max(2_147_483_647);
const retentionDays = z.number().min(0).max(36_500);

/**
 * Overrides of plan limits by the same keys; `null` means unlimited where the plan table knows that. Unknown keys are
 * kept and mean nothing.
 */
export const customLimits = z.intersection(
  jsonObject(16 * KIB),
  z.looseObject({
    max_jobs_per_day: limit.nullish(),
    max_active_jobs: limit.nullish(),
    max_queues: limit.nullish(),
    max_workers: limit.nullish(),
    max_api_keys: limit.nullish(),
    max_schedules: limit.nullish(),
    max_workflows: limit.nullish(),
    max_webhooks: limit.nullish(),
    max_payload_size_bytes: limit.min(1).optional(),
    rate_limit_requests_per_second: z.number().min(0.001).max(1_000_000).optional(),
    rate_limit_burst: z.int().min(1).max(1_000_000).optional(),
    job_retention_days: retentionDays.optional(),
    history_retention_days: retentionDays.optional(),
  }),
);

export const organization = z.object({
  id: z.string(),
  name: z.string(),
  slug: z.string(),
  plan_tier: z.string(),
  billing_email: z.string().nullable(),
  settings: z
    .record(z.string(), z.unknown())
    .describe('the secrets of webhook ingestion are left out for a key with a queue scope'),
  custom_limits: z.record(z.string(), z.unknown()).nullable(),
  stripe_customer_id: z.string().nullable(),
  stripe_subscription_id: z.string().nullable(),
  stripe_subscription_status: z.string().nullable(),
  stripe_current_period_end: instant.nullable(),
  stripe_cancel_at_period_end: z.boolean().nullable(),
  created_at: instant,
  updated_at: instant,
});
export type Organization = z.output<typeof organization>;

export const organizationSummary = organization.pick({
  id: true,
  name: true,
  slug: true,
  plan_tier: true,
  created_at: true,
});
export type OrganizationSummary = z.output<typeof organizationSummary>;

/** A key at the only moment its text is known. */
export const issuedKey = z.object({
  id: z.string(),
  key: z.string().describe('the raw key; shown once, only its hash is stored'),
  name: z.string(),
  created_at: instant,
});
export type IssuedKey = z.output<typeof issuedKey>;

export const createOrganizationRequest = z.object({
  name: organizationName,
  slug,
  billing_email: billingEmail.nullish(),
});
export type CreateOrganizationRequest = z.output<typeof createOrganizationRequest>;

export const updateOrganizationRequest = z.object({
  name: organizationName.nullish(),
  billing_email: billingEmail.nullish().describe('null removes it'),
  settings: organizationSettings
    .nullish()
    .describe('replaces the settings, but keeps `webhook_token` when it is absent'),
  description: text(0, 2000).nullish().describe('kept in the settings'),
  logo_url: text(0, 2048).nullish().describe('kept in the settings'),
});
export type UpdateOrganizationRequest = z.output<typeof updateOrganizationRequest>;

/** Who acts for the organization: each active key stands for somebody. */
export const member = z.object({
  id: z.string().describe('of the key'),
  user_id: z.string().describe('the same'),
  email: z.string().nullable().describe('billing address of the organization; null for a member'),
  name: z.string().describe('of the key'),
  role: z.enum(['owner', 'member']).describe('owner: the key may use every queue'),
  joined_at: instant,
});
export type Member = z.output<typeof member>;

export const slugCheck = z.object({
  available: z.boolean(),
  valid: z.boolean().describe('whether it is written as a slug must be'),
  error: z.string().nullable(),
  suggestion: z.string().nullable().describe('one that is free, for one that is not'),
});
export type SlugCheck = z.output<typeof slugCheck>;

/** The token twice: clients read either name. */
export const webhookToken = z.object({
  webhook_token: z.string(),
  token: z.string(),
  webhook_url: z.string().describe('where custom webhooks are sent to, with the token'),
});
export type WebhookToken = z.output<typeof webhookToken>;

/** An organization with its first key. */
export const createdOrganization = z.object({ organization, api_key: issuedKey });
export type CreatedOrganization = z.output<typeof createdOrganization>;

export const organizationsApi = {
  create: route({
    service,
    method: 'POST',
    path: '/organizations',
    auth: 'public',
    summary: 'Create an organization on the free plan, with its first API key.',
    body: createOrganizationRequest,
    responses: { 201: createdOrganization },
    errors: ['ACCESS_DENIED', 'CONFLICT', 'RATE_LIMIT_EXCEEDED'],
  }),
  list: route({
    service,
    method: 'GET',
    path: '/organizations',
    auth: 'key',
    summary: 'List the organizations of the credential: its own.',
    responses: { 200: z.array(organizationSummary) },
  }),
  usage: route({
    service,
    method: 'GET',
    path: '/organizations/usage',
    auth: 'full-key',
    summary: 'Read what is used of the plan; 503 while a part of it cannot be counted.',
    responses: { 200: usageInfo },
    errors: ['NOT_FOUND'],
  }),
  checkSlug: route({
    service,
    method: 'GET',
    path: '/organizations/check-slug',
    auth: 'public',
    summary: 'Ask whether a slug is free; 60 a minute and 300 an hour for an address.',
    query: z.object({ slug: z.string() }),
    responses: { 200: slugCheck },
  }),
  generateSlug: route({
    service,
    method: 'POST',
    path: '/organizations/generate-slug',
    auth: 'public',
    summary: 'Make a free slug from a name.',
    body: z.object({ name: text(1, 200) }),
    responses: { 200: z.object({ slug: z.string() }) },
  }),
  webhookToken: route({
    service,
    method: 'GET',
    path: '/organizations/webhook-token',
    auth: 'full-key',
    summary: 'Read the token that custom webhooks are sent with.',
    responses: { 200: webhookToken },
    errors: ['NOT_FOUND'],
  }),
  regenerateWebhookToken: route({
    service,
    method: 'POST',
    path: '/organizations/webhook-token/regenerate',
    auth: 'full-key',
    summary: 'Replace the webhook token; the old one ends at once.',
    responses: { 200: webhookToken },
    errors: ['NOT_FOUND'],
  }),
  clearWebhookToken: route({
    service,
    method: 'POST',
    path: '/organizations/webhook-token/clear',
    auth: 'full-key',
    summary: 'Always refused: without a token anyone could send webhooks.',
    responses: { 204: null },
    errors: ['VALIDATION_ERROR'],
  }),
  get: route({
    service,
    method: 'GET',
    path: '/organizations/:id',
    auth: 'key',
    summary: 'Read the own organization.',
    responses: { 200: organization },
    errors: ['NOT_FOUND'],
  }),
  update: route({
    service,
    method: 'PUT',
    path: '/organizations/:id',
    auth: 'full-key',
    summary: 'Change name, address or settings; omitted fields keep their values.',
    body: updateOrganizationRequest,
    bodyOptional: true,
    responses: { 200: organization },
    errors: ['NOT_FOUND', 'CONFLICT'],
  }),
  delete: route({
    service,
    method: 'DELETE',
    path: '/organizations/:id',
    auth: 'full-key',
    summary:
      'Delete the organization and everything in it, once no job, worker or schedule is active.',
    responses: { 204: null },
    errors: ['NOT_FOUND', 'CONFLICT'],
  }),
  members: route({
    service,
    method: 'GET',
    path: '/organizations/:id/members',
    auth: 'full-key',
    summary: 'List who acts for the organization: its active keys, oldest first.',
    responses: { 200: z.array(member) },
    errors: ['NOT_FOUND'],
  }),
  member: route({
    service,
    method: 'GET',
    path: '/organizations/:id/members/:member',
    auth: 'full-key',
    summary:
      'Read one of them. Members come and go with keys, so there is nothing to invite or remove.',
    responses: { 200: member },
    errors: ['NOT_FOUND'],
  }),
};
