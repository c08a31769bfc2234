import { z } from 'zod';
import { route } from '../route.js';
import { filterText, instant, json, limit, offset, queueName, text, timestamp } from '../text.js';
import { jobSummary } from './job.schema.js';
import { listQuery, listTag } from './jobs.api.js';

const service = 'job-api' as const;

/** A payload larger than this is not part of a list; the job itself has it. */
export const MAX_LISTED_PAYLOAD_BYTES = 65_536;

export const deadLetter = jobSummary.extend({
  organization_id: z.string(),
  payload: json
    .optional()
    .describe(`left out above ${MAX_LISTED_PAYLOAD_BYTES} bytes; read the job then`),
  tags: json,
  timeout_seconds: z.int(),
  reason: z
    .string()
    .nullable()
    .describe('why it was given up: `retries spent`, `given up`, `lease expired`'),
  updated_at: instant,
});
export type DeadLetter = z.output<typeof deadLetter>;

export const deadLetterQuery = z.object({
  queue_name: filterText,
  tag: listTag.optional().catch(undefined),
  job_type: listQuery.shape.job_type,
  q: listQuery.shape.q,
  limit: limit(100, 50),
  offset,
});
export type DeadLetterQuery = z.output<typeof deadLetterQuery>;

/** Which dead letters; all of it holds. */
const selection = {
  queue_name: queueName.nullish().describe('only those of the queue'),
  tag: text(1, 64).nullish().describe('only those with the tag'),
  job_type: text(1, 255).nullish().describe('only those with this `job_type` in the payload'),
};

export const retryDeadLettersRequest = z
  .object({
    job_ids: z
      .array(z.string())
      .nullish()
      .describe('these, as far as they are dead letters; an empty list is none of them'),
    ...selection,
    limit: z.int().min(1).max(100).default(100).describe('the oldest first'),
  })
  .refine(({ job_ids, limit }) => (job_ids?.length ?? 0) <= limit, {
    path: ['job_ids'],
    message: 'must not hold more ids than limit',
  })
  .refine(({ job_ids, tag, job_type }) => job_ids == null || (tag ?? job_type) == null, {
    path: ['job_ids'],
    message: 'must not come with a tag or a job type',
  });
export type RetryDeadLettersRequest = z.output<typeof retryDeadLettersRequest>;

export const purgeDeadLettersRequest = z.object({
  ...selection,
  older_than: timestamp.nullish().describe('only those given up before'),
  limit: z.int().min(1).max(10_000).default(10_000).describe('the oldest first'),
  confirm: z.literal(true),
});
export type PurgeDeadLettersRequest = z.output<typeof purgeDeadLettersRequest>;

export const deadLettersApi = {
  list: route({
    service,
    method: 'GET',
    path: '/jobs/dlq',
    auth: 'key',
    summary: 'List dead letters, newest first.',
    query: deadLetterQuery,
    responses: { 200: z.array(deadLetter) },
    isPaged: true,
  }),
  retry: route({
    service,
    method: 'POST',
    path: '/jobs/dlq/retry',
    auth: 'key',
    summary: 'Return dead letters to pending, each with a fresh retry budget: all or none of them.',
    body: retryDeadLettersRequest,
    bodyOptional: true,
    responses: { 200: z.object({ retried_count: z.int(), retried_jobs: z.array(z.string()) }) },
    errors: ['ACCESS_DENIED', 'QUOTA_EXCEEDED', 'FEATURE_DISABLED'],
  }),
  purge: route({
    service,
    method: 'POST',
    path: '/jobs/dlq/purge',
    auth: 'key',
    summary:
      'Delete dead letters with everything that belongs to them, also their idempotency keys.',
    body: purgeDeadLettersRequest,
    responses: { 200: z.object({ purged_count: z.int() }) },
    errors: ['ACCESS_DENIED'],
  }),
};
