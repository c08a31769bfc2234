import { z } from 'zod';
import { route } from '../route.js';
import { instant, jsonObject, queueName, text } from '../text.js';

const service = 'worker-registry' as const;

/** The worker states, spelled as on the wire. Only healthy and degraded ones count against the plan. */
export const workerStatus = z.enum(['healthy', 'degraded', 'draining', 'offline']);
export type WorkerStatus = z.output<typeof workerStatus>;

const metadata = jsonObject(65_536);
const hostname = text(1, 255).regex(
  /^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$/,
  'must use A-Z a-z 0-9 . _ - and neither start nor end with . or -',
);

export const registerWorkerRequest = z.object({
  queue_name: queueName,
  hostname,
  worker_type: text(0, 50).nullish(),
  max_concurrency: z.int().min(1).max(100).nullish().describe('default 5'),
  metadata: metadata.nullish(),
  version: text(0, 50).nullish(),
  worker_id: text(1, 255)
    .refine((value) => value.isWellFormed(), 'must be well-formed Unicode')
    .nullish()
    .describe('an id of your choice, unique over all organizations; default: a new UUID'),
});
export type RegisterWorkerRequest = z.output<typeof registerWorkerRequest>;

export const registeredWorker = z.object({
  id: z.string(),
  queue_name: z.string(),
  lease_duration_secs: z.int().describe('usual length of a lease'),
  heartbeat_interval_secs: z.int().describe('how often to report'),
});
export type RegisteredWorker = z.output<typeof registeredWorker>;

export const heartbeatRequest = z.object({
  current_jobs: z.int().min(0).max(1000),
  status: workerStatus.nullish().describe('default healthy'),
  metadata: metadata.nullish().describe('omitted: the stored one is kept'),
});
export type HeartbeatRequest = z.output<typeof heartbeatRequest>;

export const workerSummary = z.object({
  id: z.string(),
  queue_name: z.string(),
  hostname: z.string(),
  status: workerStatus,
  current_jobs: z.int(),
  max_concurrency: z.int(),
  last_heartbeat: instant,
});
export type WorkerSummary = z.output<typeof workerSummary>;

/** Published clients read different names for the same things, so each has both. */
export const worker = workerSummary.extend({
  organization_id: z.string(),
  queue_names: z.array(z.string()).describe('queue_name alone'),
  worker_type: z.string().nullable(),
  max_concurrent_jobs: z.int().describe('equal to max_concurrency'),
  current_job_count: z.int().describe('equal to current_jobs'),
  metadata: z.record(z.string(), z.unknown()),
  version: z.string().nullable(),
  registered_at: instant,
  created_at: instant.describe('equal to registered_at'),
  updated_at: instant,
});
export type Worker = z.output<typeof worker>;

export const workersApi = {
  list: route({
    service,
    method: 'GET',
    path: '/workers',
    auth: 'key',
    summary: 'List the 100 workers that reported last, newest heartbeat first.',
    responses: { 200: z.array(workerSummary) },
  }),
  register: route({
    service,
    method: 'POST',
    path: '/workers/register',
    auth: 'key',
    summary: 'Register a worker; an id of your own that is known already is registered again.',
    body: registerWorkerRequest,
    responses: { 201: registeredWorker },
    errors: ['ACCESS_DENIED', 'CONFLICT', 'QUOTA_EXCEEDED', 'FEATURE_DISABLED'],
  }),
  get: route({
    service,
    method: 'GET',
    path: '/workers/:id',
    auth: 'key',
    summary: 'Read a worker.',
    responses: { 200: worker },
    errors: ['NOT_FOUND'],
  }),
  heartbeat: route({
    service,
    method: 'POST',
    path: '/workers/:id/heartbeat',
    auth: 'key',
    summary: 'Report that a worker is alive.',
    body: heartbeatRequest,
    responses: { 200: null },
    errors: ['NOT_FOUND', 'CONFLICT', 'QUOTA_EXCEEDED', 'FEATURE_DISABLED'],
  }),
  deregister: route({
    service,
    method: 'POST',
    path: '/workers/:id/deregister',
    auth: 'key',
    summary: 'Take a worker off; its jobs go back to pending.',
    responses: { 204: null },
    errors: ['NOT_FOUND'],
  }),
};
