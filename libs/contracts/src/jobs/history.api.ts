import { z } from 'zod';
import { route } from '../route.js';
import { instant, limit, offset } from '../text.js';

/** What a history tells of. Clients take unknown ones as text. */
export const historyEventType = z.enum([
  'created',
  'processing',
  'completed',
  'retry_scheduled',
  'released',
  'deadlettered',
  'cancelled',
  'retried',
]);
export type HistoryEventType = z.output<typeof historyEventType>;

export const historyEvent = z.object({
  id: z.string(),
  job_id: z.string(),
  event_type: historyEventType.describe(
    '`released`: given back without costing an attempt; `retried`: by hand, with a fresh budget',
  ),
  worker_id: z.string().nullable(),
  details: z.object({
    rev: z.int().describe('the transition, as events of the job number it'),
    attempt: z.int().optional().describe('of the budget; from 1'),
    duration_ms: z.int().optional().describe('how long the attempt took that ended here'),
    error: z.string().optional(),
    retry_at: instant.optional().describe('until when it backed off'),
  }),
  created_at: instant,
});
export type HistoryEvent = z.output<typeof historyEvent>;

export const historyQuery = z.object({
  order_dir: z.enum(['asc', 'desc']).default('asc').catch('asc').describe('`asc`: oldest first'),
  limit: limit(500, 100),
  offset,
});
export type HistoryQuery = z.output<typeof historyQuery>;

export const historyRoute = route({
  service: 'job-api',
  method: 'GET',
  path: '/jobs/:id/history',
  auth: 'key',
  summary:
    'Read what happened to a job: each attempt with its worker, duration and error. Attempts before the last one are kept `history_retention_days` of the plan.',
  query: historyQuery,
  responses: { 200: z.array(historyEvent) },
  errors: ['NOT_FOUND'],
  isPaged: true,
});
