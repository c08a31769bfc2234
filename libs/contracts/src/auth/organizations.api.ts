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

/** Slug: 1-100 lower-case letters, digits and hyphens, no hyphen at an edge, not a reserved word. */
export const slug = z
  .string()
  .min(1)
  .max(100)
  .regex(
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/,
    'must use a-z 0-9 and hyphens, and not start or end with a hyphen',
  )
  .refine((value) => !reservedSlugs.has(value), 'is reserved');

export const organizationName = text(3, 100);
export const billingEmail = z.email().max(254);
export const planTier = planLimits.shape.tier;
export const organizationSettings = jsonObject(64 * KIB);

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
    .describe('`webhook_token` is left out for a key with a queue scope'),
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
  get: route({
    service,
    method: 'GET',
    path: '/organizations/:id',
    auth: 'key',
    summary: 'Read the own organization.',
    responses: { 200: organization },
    errors: ['NOT_FOUND'],
  }),
};
