import { z } from 'zod';
import { route } from '../route.js';
import { instant, queueName, text } from '../text.js';
import { billingEmail, organizationName, slug } from './organizations.api.js';

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

export const emailStartRequest = z.object({ email: billingEmail });
export const emailVerifyRequest = z.object({
  email: billingEmail,
  code: z.string().regex(/^\d{6}$/, 'must be six digits'),
});
export type EmailVerifyRequest = z.output<typeof emailVerifyRequest>;

export const emailStarted = z.object({
  success: z.boolean(),
  message: z.string(),
  sent: z.boolean().describe('the same for every address, known here or not'),
  email_sent_to: z.string(),
});
export type EmailStarted = z.output<typeof emailStarted>;

export const emailVerified = z.discriminatedUnion('type', [
  sessionGrant.extend({ type: z.literal('login') }),
  z.object({
    type: z.literal('signup'),
    signup_token: z.string(),
    email: z.string(),
    expires_in: z.int().describe('seconds'),
  }),
]);
export type EmailVerified = z.output<typeof emailVerified>;

export const emailCheck = z.object({ available: z.boolean(), exists: z.boolean() });
export type EmailCheck = z.output<typeof emailCheck>;

export const signupRequest = z.object({
  signup_token: z.string().min(1).max(MAX_TOKEN_CHARS),
  name: organizationName,
  slug: slug.min(3).max(50),
});
export type SignupRequest = z.output<typeof signupRequest>;

export const signupCompleted = accessGrant.extend({
  organization: z.object({
    id: z.string(),
    name: z.string(),
    slug: z.string(),
    billing_email: z.string(),
  }),
  api_key: z.string().describe('the raw key; shown once, only its hash is stored'),
  refresh_token: z.string(),
});
export type SignupCompleted = z.output<typeof signupCompleted>;

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
  startEmail: route({
    service,
    method: 'POST',
    path: '/auth/email/start',
    auth: 'public',
    summary: 'Send a code to an address, to log in or sign up with; 5 an hour for each.',
    body: emailStartRequest,
    responses: { 200: emailStarted },
  }),
  verifyEmail: route({
    service,
    method: 'POST',
    path: '/auth/email/verify',
    auth: 'public',
    summary: 'Trade a code for tokens, or for the right to sign up; 5 tries in 10 minutes.',
    body: emailVerifyRequest,
    responses: { 200: emailVerified },
    errors: ['AUTHENTICATION_FAILED'],
  }),
  checkEmail: route({
    service,
    method: 'GET',
    path: '/auth/check-email',
    auth: 'public',
    summary:
      'Ask whether an organization has this address; 10 a minute and 60 an hour for a client.',
    query: z.object({ email: billingEmail }),
    responses: { 200: emailCheck },
  }),
  completeSignup: route({
    service,
    method: 'POST',
    path: '/auth/signup/complete',
    auth: 'public',
    summary: 'Create the organization of a verified address, with its first key and tokens.',
    body: signupRequest,
    responses: { 201: signupCompleted },
    errors: ['AUTHENTICATION_FAILED', 'ACCESS_DENIED', 'CONFLICT'],
  }),
};
