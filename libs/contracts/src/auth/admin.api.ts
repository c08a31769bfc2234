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

/** Platform administration: `X-Admin-Key`, closed while none is configured. */
export const adminApi = {
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
