import { z } from 'zod';
import { maxRetries, timeoutSeconds } from '../jobs/job.schema.js';
import { route } from '../route.js';
import { instant, jsonObject, text } from '../text.js';

const service = 'job-api' as const;

export const queueSummary = z.object({
  queue_name: z.string(),
  max_retries: z.int(),
  default_timeout: z.int().describe('seconds'),
  rate_limit: z.int().nullable().describe('jobs claimed per second'),
  enabled: z.boolean(),
  paused_at: instant.nullable().describe('since when it is paused; null while it is not'),
  pause_reason: z.string().nullable().describe('as given by who paused it'),
});

/** How many jobs there are in each state, as `queue.stats` tells it from then on. */
const queueCounts = z.object({
  pending: z.int().describe('with scheduled ones'),
  processing: z.int(),
  completed: z.int(),
  scheduled: z.int(),
  deadletter: z.int(),
});

export const listedQueue = queueSummary.extend({ counts: queueCounts });
export type ListedQueue = z.output<typeof listedQueue>;

export const queue = queueSummary.extend({
  id: z.string(),
  organization_id: z.string(),
  settings: z.record(z.string(), z.unknown()),
  created_at: instant,
  updated_at: instant,
});
export type Queue = z.output<typeof queue>;

/** Bytes of JSON that the settings of a queue may have, all calls that merged into them together. */
export const MAX_QUEUE_SETTINGS_BYTES = 65_536;

/** Omitted fields keep their values, and so does null where a value cannot be absent. */
export const queueConfig = z.object({
  max_retries: maxRetries.nullish(),
  default_timeout: timeoutSeconds.nullish(),
  rate_limit: z
    .int()
    .min(1)
    .max(100_000)
    .nullish()
    .describe('jobs claimed per second; null takes the limit away'),
  enabled: z.boolean().nullish().describe('false pauses the queue, true resumes it'),
  settings: jsonObject(MAX_QUEUE_SETTINGS_BYTES).nullish().describe('merged key by key'),
});
export type QueueConfig = z.output<typeof queueConfig>;

export const queueStats = z.object({
  queue_name: z.string(),
  pending_jobs: z.int(),
  processing_jobs: z.int(),
  completed_jobs_24h: z.int(),
  failed_jobs_24h: z.int().describe('failed and dead-lettered'),
  avg_processing_time_ms: z.number().nullable(),
  max_job_age_seconds: z.int().nullable().describe('age of the oldest pending or scheduled job'),
  active_workers: z.int().describe('healthy workers'),
});
export type QueueStats = z.output<typeof queueStats>;

export const queuesApi = {
  list: route({
    service,
    method: 'GET',
    path: '/queues',
    auth: 'key',
    summary: 'List queues by name, implicit ones included.',
    responses: { 200: z.array(listedQueue) },
  }),
  get: route({
    service,
    method: 'GET',
    path: '/queues/:name',
    auth: 'key',
    summary: 'Read a queue.',
    responses: { 200: queue },
    errors: ['VALIDATION_ERROR', 'ACCESS_DENIED', 'NOT_FOUND'],
  }),
  configure: route({
    service,
    method: 'PUT',
    path: '/queues/:name/config',
    auth: 'key',
    summary: 'Create or change the configuration of a queue; omitted fields keep their values.',
    body: queueConfig,
    bodyOptional: true,
    responses: { 200: queue },
    errors: ['ACCESS_DENIED', 'QUOTA_EXCEEDED', 'FEATURE_DISABLED'],
  }),
  stats: route({
    service,
    method: 'GET',
    path: '/queues/:name/stats',
    auth: 'key',
    summary: 'Read the counters of a queue; zeros for an unknown one.',
    responses: { 200: queueStats },
    errors: ['VALIDATION_ERROR', 'ACCESS_DENIED'],
  }),
  pause: route({
    service,
    method: 'POST',
    path: '/queues/:name/pause',
    auth: 'key',
    summary: 'Stop claims from a queue; jobs can still be enqueued and running ones finish.',
    body: z.object({ reason: text(0, 500).nullish() }),
    bodyOptional: true,
    responses: {
      200: z.object({
        queue_name: z.string(),
        paused: z.literal(true),
        paused_at: instant,
        reason: z.string().nullable(),
      }),
    },
    errors: ['ACCESS_DENIED', 'NOT_FOUND'],
  }),
  resume: route({
    service,
    method: 'POST',
    path: '/queues/:name/resume',
    auth: 'key',
    summary: 'Let claims from a queue go on.',
    responses: {
      200: z.object({
        queue_name: z.string(),
        resumed: z.literal(true),
        paused_duration_secs: z.int(),
      }),
    },
    errors: ['VALIDATION_ERROR', 'ACCESS_DENIED', 'NOT_FOUND'],
  }),
  delete: route({
    service,
    method: 'DELETE',
    path: '/queues/:name',
    auth: 'key',
    summary:
      'Delete the configuration of an idle queue; with `delete_jobs`, its jobs in every state too.',
    query: z.object({
      delete_jobs: z
        .enum(['true', 'false'])
        .default('false')
        .transform((value) => value === 'true'),
    }),
    responses: { 204: null },
    errors: ['ACCESS_DENIED', 'NOT_FOUND', 'CONFLICT'],
  }),
};
