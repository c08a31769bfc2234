import { z } from 'zod';
import { route } from '../route.js';
import { queueName, text, timestamp } from '../text.js';
import { jobStatus, priority } from './job.schema.js';

/** A call changes at most so many jobs. */
export const MAX_BULK_JOBS = 10_000;

/** Which jobs; the same filters as those of lists, and all of them hold. Unknown ones are refused, never ignored. */
export const bulkFilter = z
  .strictObject({
    queue_name: queueName.optional(),
    status: z
      .union([jobStatus, z.array(jobStatus).min(1)])
      .optional()
      .describe('of those that the action can be done to; all of these when left out'),
    tag: text(1, 64).optional(),
    job_type: text(1, 255).optional(),
    q: text(1, 255).optional().describe('as in lists; the first 1000 matches'),
    created_after: timestamp.optional(),
    created_before: timestamp.optional(),
  })
  .refine((filter) => Object.values(filter).some((value) => value !== undefined), {
    message: 'must have a condition',
  });
export type BulkFilter = z.output<typeof bulkFilter>;

const selection = {
  filter: bulkFilter,
  limit: z.int().min(1).max(MAX_BULK_JOBS).default(1000).describe('the oldest first'),
  dry_run: z.boolean().default(false).describe('true: only count them'),
};

export const bulkActionRequest = z.object(selection);
export type BulkActionRequest = z.output<typeof bulkActionRequest>;
export const bulkPriorityRequest = z.object({ ...selection, priority });
export type BulkPriorityRequest = z.output<typeof bulkPriorityRequest>;

export const bulkActionResponse = z.object({
  matched: z.int().describe('jobs that were found, at most `limit`'),
  changed: z.int().describe('of these; 0 in a dry run'),
  skipped: z.int().describe('of these, what had moved on before it was its turn; 0 in a dry run'),
  has_more: z.boolean().describe('whether more jobs match: ask again for them'),
});
export type BulkActionResponse = z.output<typeof bulkActionResponse>;

const bulk = { service: 'job-api', method: 'POST', auth: 'key' } as const;

export const bulkActionsApi = {
  bulkCancel: route({
    ...bulk,
    path: '/jobs/bulk/cancel',
    summary: 'Cancel the pending and scheduled jobs that match a filter, in batches.',
    body: bulkActionRequest,
    responses: { 200: bulkActionResponse },
  }),
  bulkRetry: route({
    ...bulk,
    path: '/jobs/bulk/retry',
    summary:
      'Return the failed and dead-lettered jobs that match a filter to pending, in batches, as far as the plan has room.',
    body: bulkActionRequest,
    responses: { 200: bulkActionResponse },
    errors: ['FEATURE_DISABLED', 'QUOTA_EXCEEDED'],
  }),
  bulkSetPriority: route({
    ...bulk,
    path: '/jobs/bulk/priority',
    summary:
      'Change the priority of the pending and scheduled jobs that match a filter, in batches.',
    body: bulkPriorityRequest,
    responses: { 200: bulkActionResponse },
  }),
};
