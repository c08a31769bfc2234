import { z } from 'zod';
import { route } from '../route.js';
import { instant } from '../text.js';
import { dependencyMode } from './dependencies.api.js';
import { jobStatus } from './job.schema.js';

/** Ids of missing dependencies that an answer names; all are counted. */
export const MAX_NAMED_DEPENDENCIES = 10;
/** Jobs ahead of a waiting one are counted up to here. */
export const MAX_COUNTED_AHEAD = 10_000;

/** Why a job stands where it stands; the first that holds, in this order. Clients take unknown ones by their message. */
export const whyReason = z.enum([
  'waiting_for_dependencies',
  'scheduled',
  'backing_off',
  'queue_paused',
  'no_workers',
  'rate_limited',
  'jobs_ahead',
  'workers_busy',
  'ready',
  'running',
  'lease_expired',
  'completed',
  'cancelled',
  'failed',
  'dead_lettered',
]);
export type WhyReason = z.output<typeof whyReason>;

/** Each field is there when it is known and says something about the reason. */
export const whyDetails = z.object({
  queue_name: z.string(),
  queue_paused: z.boolean().optional().describe('of a job that has not begun'),
  attempt: z.int().optional().describe('the one that runs, comes next or was the last; from 1'),
  max_attempts: z.int().optional(),
  eligible_at: instant.optional().describe('when the schedule or the backoff ends'),
  expires_at: instant.optional().describe('when a job that has not begun is cancelled'),
  dependency_mode: dependencyMode.optional(),
  dependencies_total: z.int().optional(),
  dependencies_missing: z
    .int()
    .optional()
    .describe('mode `all`: still to complete; mode `any`: may still be the one that does'),
  dependency_ids: z
    .array(z.string())
    .optional()
    .describe(`of those missing that the key may see, at most ${MAX_NAMED_DEPENDENCIES}`),
  rate_limit: z.int().optional().describe('jobs claimed from the queue per second, at most'),
  claimed_last_second: z.int().optional(),
  jobs_ahead: z
    .int()
    .optional()
    .describe(`claimed before this one; counted to ${MAX_COUNTED_AHEAD}`),
  jobs_ahead_capped: z.boolean().optional().describe('there are more than `jobs_ahead`'),
  jobs_processing: z.int().optional().describe('leased from the queue now'),
  workers_known: z
    .boolean()
    .optional()
    .describe('false: who knows the workers gave no answer, and nothing is said about them'),
  healthy_workers: z.int().optional().describe('registered for the queue and heard of lately'),
  worker_last_seen_at: instant
    .optional()
    .describe('the last heartbeat of any registered worker of the queue; absent: none is known'),
  worker_id: z.string().optional().describe('has it, or had it last'),
  started_at: instant.optional(),
  lease_expires_at: instant.optional(),
  completed_at: instant.optional(),
  last_error: z.string().optional(),
  dead_letter_reason: z
    .string()
    .optional()
    .describe('`retries spent`, `given up`, `lease expired`'),
});
export type WhyDetails = z.output<typeof whyDetails>;

export const why = z.object({
  job_id: z.string(),
  status: jobStatus,
  reason: whyReason,
  message: z.string().describe('one English sentence for people'),
  details: whyDetails,
});
export type Why = z.output<typeof why>;

export const whyRoute = route({
  service: 'job-api',
  method: 'GET',
  path: '/jobs/:id/why',
  auth: 'key',
  summary: 'Say in one sentence why a job is not running, or what has become of it.',
  responses: { 200: why },
  errors: ['NOT_FOUND'],
});
