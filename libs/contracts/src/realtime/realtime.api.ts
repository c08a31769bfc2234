import { route } from '../route.js';
import { z } from 'zod';

const service = 'realtime-gateway' as const;
const stream = 'text/event-stream';

/** Filters of a stream; an empty one counts as not given. Parameters not listed are ignored, never refused. */
export const streamQuery = z.object({
  queue: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,100}$/)
    .optional(),
  job_id: z.string().max(255).optional(),
  worker_id: z.string().max(255).optional(),
  events: z
    .string()
    .max(1000)
    .optional()
    .describe(
      'comma list of event names; * = all but job.progress and job.log, which must be named',
    ),
  last_event_id: z.string().optional().describe('cursor to resume after'),
  named: z.enum(['true', 'false']).default('true').describe('false leaves out SSE event names'),
});
export type StreamQuery = z.output<typeof streamQuery>;

/** Of a stream that has its own events. */
const ownQuery = streamQuery.pick({ last_event_id: true, named: true }).extend({
  events: streamQuery.shape.events.describe('job.progress, job.log: these too'),
});

export const realtimeApi = {
  webSocket: route({
    service,
    method: 'GET',
    path: '/ws',
    auth: 'stream',
    summary: 'WebSocket of events; see docs/realtime.md for the commands.',
    query: streamQuery,
    responses: { 101: null },
    errors: ['RATE_LIMIT_EXCEEDED'],
  }),
  events: route({
    service,
    method: 'GET',
    path: '/events',
    auth: 'stream',
    summary: 'Server-sent events of the organization.',
    query: streamQuery,
    responses: { 200: stream },
    errors: ['ACCESS_DENIED', 'RATE_LIMIT_EXCEEDED'],
  }),
  jobEvents: route({
    service,
    method: 'GET',
    path: '/events/jobs/:id',
    auth: 'stream',
    summary: 'Server-sent events of one job, from its present state to its end.',
    query: ownQuery,
    responses: { 200: stream, 204: null },
    errors: ['RATE_LIMIT_EXCEEDED'],
  }),
  queueEvents: route({
    service,
    method: 'GET',
    path: '/events/queues/:name',
    auth: 'stream',
    summary: 'Server-sent events of one queue, beginning with its counters.',
    query: ownQuery,
    responses: { 200: stream },
    errors: ['ACCESS_DENIED', 'RATE_LIMIT_EXCEEDED'],
  }),
};
