import { z } from 'zod';
import { route } from '../route.js';
import { instant } from '../text.js';

const health = z.enum(['healthy', 'unhealthy']);

/** Everything an overview page shows at once, of the queues that the key may use. */
export const dashboard = z.object({
  system: z.object({
    version: z.string(),
    uptime_seconds: z.int().describe('of the process that answered'),
    started_at: instant,
    database_status: health,
    cache_status: health.describe('the bus, by which processes share what they remember'),
    environment: z.string(),
  }),
  jobs: z.object({
    total: z.int().describe('in every state, as long as they are kept'),
    pending: z.int(),
    processing: z.int(),
    completed_24h: z.int(),
    failed_24h: z.int().describe('failed and dead-lettered'),
    deadletter: z.int(),
    avg_wait_time_ms: z
      .number()
      .nullable()
      .describe('until they were claimed, of the jobs claimed in 24 hours; null = there are none'),
    avg_processing_time_ms: z
      .number()
      .nullable()
      .describe('of the jobs completed in 24 hours; null = there are none'),
  }),
  queues: z
    .array(
      z.object({
        name: z.string(),
        pending: z.int(),
        processing: z.int(),
        paused: z.boolean(),
      }),
    )
    .max(20)
    .describe('those with most jobs pending and processing first'),
  workers: z.object({
    total: z.int().describe('registered'),
    healthy: z.int(),
    unhealthy: z.int().describe('registered and not healthy'),
  }),
  recent_activity: z.object({
    jobs_created_1h: z.int(),
    jobs_completed_1h: z.int(),
    jobs_failed_1h: z.int().describe('failed and dead-lettered'),
  }),
});
export type Dashboard = z.output<typeof dashboard>;

export const dashboardApi = {
  read: route({
    service: 'job-api',
    method: 'GET',
    path: '/dashboard',
    auth: 'key',
    summary: 'Read everything an overview page shows at once.',
    responses: { 200: dashboard },
  }),
};
