import type {
  adminApi,
  apiKeysApi,
  auditApi,
  authApi,
  billingApi,
  bulkItem as bulkItemSchema,
  dashboardApi,
  deadLettersApi,
  dependenciesApi,
  EventTag,
  featuresApi,
  ingestionApi,
  jobsApi,
  operationsApi,
  organizationsApi,
  queuesApi,
  RealtimeEvent,
  RouteSpec,
  schedulesApi,
  StoredEvent,
  webhooksApi,
  workersApi,
  workflowsApi,
} from '@spooled/contracts';
import type { z } from 'zod';

import type { Camel, CamelInput } from './camel-case.js';

/** The contracts by the names of `routes`. Types only: their schemas must not reach a browser. */
export interface Contracts {
  jobs: typeof jobsApi;
  deadLetters: typeof deadLettersApi;
  dependencies: typeof dependenciesApi;
  queues: typeof queuesApi;
  workers: typeof workersApi;
  schedules: typeof schedulesApi;
  workflows: typeof workflowsApi;
  webhooks: typeof webhooksApi;
  ingestion: typeof ingestionApi;
  organizations: typeof organizationsApi;
  apiKeys: typeof apiKeysApi;
  auth: typeof authApi;
  admin: typeof adminApi;
  audit: typeof auditApi;
  billing: typeof billingApi;
  features: typeof featuresApi;
  dashboard: typeof dashboardApi;
  operations: typeof operationsApi;
}

type Line<S> = S extends RouteSpec ? `${S['method']} ${S['path']}` : never;

/** Methods and paths. The compiler refuses what the contracts do not say. */
export const routes = {
  jobs: {
    create: 'POST /jobs',
    list: 'GET /jobs',
    bulk: 'POST /jobs/bulk',
    bulkCancel: 'POST /jobs/bulk/cancel',
    bulkRetry: 'POST /jobs/bulk/retry',
    bulkSetPriority: 'POST /jobs/bulk/priority',
    claim: 'POST /jobs/claim',
    stats: 'GET /jobs/stats',
    status: 'GET /jobs/status',
    get: 'GET /jobs/:id',
    why: 'GET /jobs/:id/why',
    history: 'GET /jobs/:id/history',
    cancel: 'DELETE /jobs/:id',
    retry: 'POST /jobs/:id/retry',
    setPriority: 'PUT /jobs/:id/priority',
    complete: 'POST /jobs/:id/complete',
    fail: 'POST /jobs/:id/fail',
    heartbeat: 'POST /jobs/:id/heartbeat',
    progress: 'POST /jobs/:id/progress',
    appendLogs: 'POST /jobs/:id/logs',
    logs: 'GET /jobs/:id/logs',
  },
  deadLetters: {
    list: 'GET /jobs/dlq',
    retry: 'POST /jobs/dlq/retry',
    purge: 'POST /jobs/dlq/purge',
  },
  dependencies: { get: 'GET /jobs/:id/dependencies', add: 'POST /jobs/:id/dependencies' },
  queues: {
    list: 'GET /queues',
    get: 'GET /queues/:name',
    configure: 'PUT /queues/:name/config',
    stats: 'GET /queues/:name/stats',
    pause: 'POST /queues/:name/pause',
    resume: 'POST /queues/:name/resume',
    delete: 'DELETE /queues/:name',
  },
  workers: {
    list: 'GET /workers',
    register: 'POST /workers/register',
    get: 'GET /workers/:id',
    heartbeat: 'POST /workers/:id/heartbeat',
    deregister: 'POST /workers/:id/deregister',
  },
  schedules: {
    list: 'GET /schedules',
    create: 'POST /schedules',
    get: 'GET /schedules/:id',
    update: 'PUT /schedules/:id',
    delete: 'DELETE /schedules/:id',
    pause: 'POST /schedules/:id/pause',
    resume: 'POST /schedules/:id/resume',
    trigger: 'POST /schedules/:id/trigger',
    history: 'GET /schedules/:id/history',
  },
  workflows: {
    create: 'POST /workflows',
    list: 'GET /workflows',
    get: 'GET /workflows/:id',
    cancel: 'POST /workflows/:id/cancel',
    retry: 'POST /workflows/:id/retry',
    jobs: 'GET /workflows/:id/jobs',
    jobStatuses: 'GET /workflows/:id/jobs/status',
    job: 'GET /workflows/:id/jobs/:jobId',
  },
  webhooks: {
    list: 'GET /outgoing-webhooks',
    create: 'POST /outgoing-webhooks',
    get: 'GET /outgoing-webhooks/:id',
    update: 'PUT /outgoing-webhooks/:id',
    delete: 'DELETE /outgoing-webhooks/:id',
    test: 'POST /outgoing-webhooks/:id/test',
    deliveries: 'GET /outgoing-webhooks/:id/deliveries',
    redeliver: 'POST /outgoing-webhooks/:id/retry/:delivery_id',
  },
  ingestion: {
    custom: 'POST /webhooks/:org_id/custom',
    github: 'POST /webhooks/:org_id/github',
    stripe: 'POST /webhooks/:org_id/stripe',
  },
  organizations: {
    create: 'POST /organizations',
    list: 'GET /organizations',
    usage: 'GET /organizations/usage',
    checkSlug: 'GET /organizations/check-slug',
    generateSlug: 'POST /organizations/generate-slug',
    webhookToken: 'GET /organizations/webhook-token',
    regenerateWebhookToken: 'POST /organizations/webhook-token/regenerate',
    clearWebhookToken: 'POST /organizations/webhook-token/clear',
    get: 'GET /organizations/:id',
    update: 'PUT /organizations/:id',
    delete: 'DELETE /organizations/:id',
    members: 'GET /organizations/:id/members',
    member: 'GET /organizations/:id/members/:member',
  },
  apiKeys: {
    list: 'GET /api-keys',
    create: 'POST /api-keys',
    get: 'GET /api-keys/:id',
    update: 'PUT /api-keys/:id',
    revoke: 'DELETE /api-keys/:id',
  },
  auth: {
    login: 'POST /auth/login',
    refresh: 'POST /auth/refresh',
    logout: 'POST /auth/logout',
    me: 'GET /auth/me',
    validate: 'POST /auth/validate',
    createTicket: 'POST /auth/tickets',
    startEmail: 'POST /auth/email/start',
    verifyEmail: 'POST /auth/email/verify',
    checkEmail: 'GET /auth/check-email',
    completeSignup: 'POST /auth/signup/complete',
  },
  admin: {
    listOrganizations: 'GET /admin/organizations',
    getOrganization: 'GET /admin/organizations/:id',
    createOrganization: 'POST /admin/organizations',
    updateOrganization: 'PATCH /admin/organizations/:id',
    deleteOrganization: 'DELETE /admin/organizations/:id',
    resetUsage: 'POST /admin/organizations/:id/reset-usage',
    stats: 'GET /admin/stats',
    createKey: 'POST /admin/organizations/:id/api-keys',
    plans: 'GET /admin/plans',
  },
  audit: { list: 'GET /audit' },
  billing: { status: 'GET /billing/status', portal: 'POST /billing/portal' },
  features: { read: 'GET /features' },
  dashboard: { read: 'GET /dashboard' },
  operations: {
    health: 'GET /health',
    live: 'GET /health/live',
    ready: 'GET /health/ready',
  },
} as const satisfies {
  [G in keyof Contracts]: { [R in keyof Contracts[G]]?: Line<Contracts[G][R]> };
};

export type Routes = typeof routes;
export type Spec<G extends keyof Routes, R extends keyof Routes[G]> = R extends keyof Contracts[G]
  ? Contracts[G][R]
  : never;

/** What a route takes as its body. */
export type Body<G extends keyof Routes, R extends keyof Routes[G]> =
  Spec<G, R> extends { body: infer S extends z.ZodType } ? CamelInput<z.input<S>> : never;

/** What a route takes in its query; everything has a default. */
export type Query<G extends keyof Routes, R extends keyof Routes[G]> =
  Spec<G, R> extends { query: infer S extends z.ZodType }
    ? Partial<SinglesOf<CamelInput<z.output<S>>>>
    : never;
/** A list in a query may be given as its only element. */
type SinglesOf<T> = { [K in keyof T]: T[K] | ElementOf<T[K]> };
type ElementOf<T> = T extends readonly (infer E)[] ? E : never;

/** What a route answers when all is well; nothing when the answer has no body. */
export type Answer<G extends keyof Routes, R extends keyof Routes[G]> =
  Spec<G, R> extends { responses: infer A } ? AnswerOf<A[keyof A & Good]> : never;
type Good = 200 | 201 | 204;
type AnswerOf<S> = S extends z.ZodType ? Camel<z.output<S>> : S extends null ? void : never;

/** One of many: the contract checks them one by one, so its schema of the call leaves them open. */
export type BulkItem = CamelInput<z.input<typeof bulkItemSchema>>;

/** What an event tells, by its tag. */
export type EventData = { [T in EventTag]: Camel<Extract<RealtimeEvent, { type: T }>['data']> };
export type StoredTag = StoredEvent['type'];
export type { ErrorCode, EventTag, FieldProblem } from '@spooled/contracts';
