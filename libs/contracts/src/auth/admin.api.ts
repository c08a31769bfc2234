import { z } from 'zod';
import { route } from '../route.js';
import { keyName, keyQueues } from './api-keys.api.js';
import {
  billingEmail,
  createdOrganization,
  createOrganizationRequest,
  customLimits,
  issuedKey,
  organization,
  organizationName,
  organizationSettings,
  planTier,
} from './organizations.api.js';
import { planLimits } from './plans.js';
import { usageInfo } from './usage.js';
import { limit, offset, text } from '../text.js';

const service = 'auth' as const;

export const adminCreateOrganizationRequest = createOrganizationRequest.extend({
  plan_tier: planTier.nullish().describe('default: free'),
});
export type AdminCreateOrganizationRequest = z.output<typeof adminCreateOrganizationRequest>;

export const adminUpdateOrganizationRequest = z.object({
  name: organizationName.nullish(),
  plan_tier: planTier.nullish(),
  billing_email: billingEmail.nullish().describe('null removes it'),
  settings: organizationSettings
    .nullish()
    .describe('replaces the settings, but keeps `webhook_token` when it is absent'),
  custom_limits: customLimits.nullish().describe('replaces the overrides; null clears them'),
});
export type AdminUpdateOrganizationRequest = z.output<typeof adminUpdateOrganizationRequest>;

export const adminCreateKeyRequest = z.object({
  name: keyName,
  queues: keyQueues.nullish().describe('default: every queue'),
});

/** A tier to look for: `deleted` finds organizations that were deleted softly. */
const listedTier = z.enum([...planTier.options, 'deleted']);

export const adminListQuery = z.object({
  plan_tier: listedTier.optional().describe('default: every plan, without what was deleted'),
  search: text(0, 255).optional().describe('part of the name or the slug, in any case'),
  limit: limit(100, 50),
  offset,
  sort_by: z.enum(['created_at', 'name', 'slug', 'plan_tier', 'updated_at']).default('created_at'),
  sort_order: z.enum(['asc', 'desc']).default('desc'),
});
export type AdminListQuery = z.output<typeof adminListQuery>;

const adminSummary = organization.pick({
  id: true,
  name: true,
  slug: true,
  plan_tier: true,
  billing_email: true,
  created_at: true,
  updated_at: true,
});
export type AdminSummary = z.output<typeof adminSummary>;

export const adminOrganizationList = z.object({
  organizations: z.array(
    adminSummary.extend({
      usage: z.object({
        jobs_today: z.int(),
        active_jobs: z.int(),
        queues: z.int(),
        workers: z.int(),
        api_keys: z.int(),
      }),
    }),
  ),
  total: z.int().describe('that match, on all pages'),
  limit: z.int(),
  offset: z.int(),
});
export type AdminOrganizationList = z.output<typeof adminOrganizationList>;

export const adminOrganization = adminSummary.extend({
  settings: organization.shape.settings,
  custom_limits: organization.shape.custom_limits,
  usage_info: usageInfo,
  api_keys_count: z.int().describe('active ones'),
  total_jobs: z.int().describe('that are kept, whatever their state'),
});
export type AdminOrganization = z.output<typeof adminOrganization>;

export const platformStats = z.object({
  organizations: z.object({
    total: z.int(),
    by_plan: z.array(z.object({ plan: planTier, count: z.int() })),
    created_today: z.int().describe('since 00:00 UTC'),
    created_this_week: z.int().describe('since Monday, 00:00 UTC'),
  }),
  jobs: z.object({
    total_active: z.int().describe('pending, scheduled and processing'),
    pending: z.int(),
    processing: z.int(),
    completed_24h: z.int(),
    failed_24h: z.int(),
  }),
  workers: z.object({ total: z.int(), healthy: z.int(), degraded: z.int() }),
  system: z.object({ api_version: z.string(), uptime_seconds: z.int() }),
});
export type PlatformStats = z.output<typeof platformStats>;

/** Platform administration: `X-Admin-Key`, closed while none is configured. */
export const adminApi = {
  listOrganizations: route({
    service,
    method: 'GET',
    path: '/admin/organizations',
    auth: 'admin',
    summary: 'List organizations with what they use; 503 while a part of that cannot be counted.',
    query: adminListQuery,
    responses: { 200: adminOrganizationList },
  }),
  getOrganization: route({
    service,
    method: 'GET',
    path: '/admin/organizations/:id',
    auth: 'admin',
    summary: 'Read an organization with its usage, also one that was deleted softly.',
    responses: { 200: adminOrganization },
    errors: ['NOT_FOUND'],
  }),
  createOrganization: route({
    service,
    method: 'POST',
    path: '/admin/organizations',
    auth: 'admin',
    summary: 'Create an organization on any plan, whatever the registration mode.',
    body: adminCreateOrganizationRequest,
    responses: { 201: createdOrganization },
    errors: ['CONFLICT'],
  }),
  updateOrganization: route({
    service,
    method: 'PATCH',
    path: '/admin/organizations/:id',
    auth: 'admin',
    summary: 'Change plan, limits, address or settings; holds from the next request on.',
    body: adminUpdateOrganizationRequest,
    bodyOptional: true,
    responses: { 200: organization },
    errors: ['NOT_FOUND', 'CONFLICT'],
  }),
  deleteOrganization: route({
    service,
    method: 'DELETE',
    path: '/admin/organizations/:id',
    auth: 'admin',
    summary:
      'Delete an organization: softly, which ends every credential, or with everything in it.',
    query: z.object({
      hard_delete: z
        .enum(['true', 'false', '1', '0'])
        .default('false')
        .transform((value) => value === 'true' || value === '1')
        .describe('true deletes everything; otherwise tier `deleted`, keys revoked, data kept'),
    }),
    responses: { 204: null },
    errors: ['NOT_FOUND'],
  }),
  resetUsage: route({
    service,
    method: 'POST',
    path: '/admin/organizations/:id/reset-usage',
    auth: 'admin',
    summary: 'Make the jobs an organization enqueued today none.',
    responses: { 204: null },
    errors: ['NOT_FOUND'],
  }),
  stats: route({
    service,
    method: 'GET',
    path: '/admin/stats',
    auth: 'admin',
    summary: 'Read counts of the whole platform; 503 while a part of it cannot be counted.',
    responses: { 200: platformStats },
  }),
  createKey: route({
    service,
    method: 'POST',
    path: '/admin/organizations/:id/api-keys',
    auth: 'admin',
    summary: 'Create a key for an organization; charged to its plan like any other.',
    body: adminCreateKeyRequest,
    responses: { 201: issuedKey },
    errors: ['NOT_FOUND', 'QUOTA_EXCEEDED', 'FEATURE_DISABLED'],
  }),
  plans: route({
    service,
    method: 'GET',
    path: '/admin/plans',
    auth: 'admin',
    summary: 'Read the plan table.',
    responses: { 200: z.array(planLimits) },
  }),
};
