import { z } from 'zod';
import { route } from '../route.js';
import { instant, queueName, text } from '../text.js';

const service = 'auth' as const;

/** No token of ours comes near this. */
const MAX_TOKEN_CHARS = 8192;

export const loginRequest = z.object({ api_key: text(10, 255) });
export const refreshRequest = z.object({
  refresh_token: z.string().min(1).max(MAX_TOKEN_CHARS),
});
export const logoutRequest = z.object({ refresh_token: z.string().nullish() });
/** Any text may be asked about: a bad token is an answer here, never an error. */
export const validateRequest = z.object({ token: z.string() });
export const ticketRequest = z.object({
  queue: queueName.nullish().describe('good for events of this queue only'),
  job_id: text(1, 255).nullish().describe('good for events of this job only'),
});
export type TicketRequest = z.output<typeof ticketRequest>;

export const accessGrant = z.object({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.int().describe('seconds'),
});
export type AccessGrant = z.output<typeof accessGrant>;

export const sessionGrant = accessGrant.extend({
  refresh_token: z.string(),
  refresh_expires_in: z.int().describe('seconds'),
});
export type SessionGrant = z.output<typeof sessionGrant>;

export const identity = z.object({
  organization_id: z.string(),
  api_key_id: z.string(),
  queues: z.array(z.string()).describe('as the key has them now'),
  issued_at: instant,
  expires_at: instant,
  organization: z.object({
    id: z.string(),
    name: z.string(),
    slug: z.string(),
    plan_tier: z.string(),
    billing_email: z.string().nullable(),
  }),
});
export type Identity = z.output<typeof identity>;

export const validation = z.object({
  valid: z.boolean(),
  error: z.enum(['invalid_token', 'token_expired', 'token_revoked']).nullable(),
  message: z.string().nullable(),
  claims: z
    .object({
      organization_id: z.string(),
      api_key_id: z.string(),
      queues: z.array(z.string()),
      iat: z.int().describe('unix seconds'),
      exp: z.int().describe('unix seconds'),
    })
    .nullable(),
});
export type Validation = z.output<typeof validation>;

export const issuedTicket = z.object({
  ticket: z.string(),
  expires_in: z.int().describe('seconds'),
});
export type IssuedTicket = z.output<typeof issuedTicket>;

export const authApi = {
  login: route({
    service,
    method: 'POST',
    path: '/auth/login',
    auth: 'public',
    summary: 'Trade an API key for an access token and a refresh token; 5 a minute per key.',
    body: loginRequest,
    responses: { 200: sessionGrant },
    errors: ['AUTHENTICATION_FAILED', 'RATE_LIMIT_EXCEEDED'],
  }),
  refresh: route({
    service,
    method: 'POST',
    path: '/auth/refresh',
    auth: 'public',
    summary: 'Trade a refresh token for a new access token.',
    body: refreshRequest,
    responses: { 200: accessGrant },
    errors: ['AUTHENTICATION_FAILED', 'RATE_LIMIT_EXCEEDED'],
  }),
  logout: route({
    service,
    method: 'POST',
    path: '/auth/logout',
    auth: 'key',
    summary: 'Revoke every token of the login that made this one; nothing to do for an API key.',
    body: logoutRequest,
    bodyOptional: true,
    responses: { 204: null },
  }),
  me: route({
    service,
    method: 'GET',
    path: '/auth/me',
    auth: 'jwt',
    summary: 'Read who the access token speaks for.',
    responses: { 200: identity },
  }),
  validate: route({
    service,
    method: 'POST',
    path: '/auth/validate',
    auth: 'public',
    summary: 'Ask whether an access token is good; a bad one is an answer, not an error.',
    body: validateRequest,
    responses: { 200: validation },
    errors: ['RATE_LIMIT_EXCEEDED'],
  }),
  createTicket: route({
    service,
    method: 'POST',
    path: '/auth/tickets',
    auth: 'key',
    summary: 'Make a ticket that opens one WebSocket or SSE stream within 30 seconds.',
    body: ticketRequest,
    bodyOptional: true,
    responses: { 201: issuedTicket },
    errors: ['ACCESS_DENIED'],
  }),
};
