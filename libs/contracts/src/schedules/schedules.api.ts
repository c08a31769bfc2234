import { z } from 'zod';
import { jobStatus, maxRetries, priority, timeoutSeconds } from '../jobs/job.schema.js';
import { route } from '../route.js';
import { instant, json, jsonObject, limit, offset, queueName, tags, text } from '../text.js';

const service = 'scheduler' as const;

const name = text(1, 255);
const description = text(0, 1000);
const cronExpression = text(9, 100).describe(
  'minute hour day-of-month month weekday, or second first: `*`, `*/n`, `a`, `a-b`, `a-b/n` and lists of these; months ' +
    'and weekdays also by name; 0 and 7 are Sunday; a day matches either way when neither day field is `*`',
);
const timezone = text(1, 100).describe('IANA name or `±HH:MM`; default UTC');
const metadata = jsonObject(65_536);
const payloadTemplate = json.describe('payload of each job; at most what the plan allows');

export const createScheduleRequest = z.object({
  name,
  description: description.nullish(),
  cron_expression: cronExpression,
  timezone: timezone.nullish(),
  queue_name: queueName,
  payload_template: payloadTemplate.refine((value) => value !== undefined, 'is required'),
  priority: priority.nullish().describe('default 0'),
  max_retries: maxRetries.nullish().describe('default: as the queue says at each fire'),
  timeout_seconds: timeoutSeconds.nullish().describe('default: as the queue says at each fire'),
  tags: tags.nullish(),
  metadata: metadata.nullish(),
});
export type CreateScheduleRequest = z.output<typeof createScheduleRequest>;

/** What is left out stays; null empties what may be empty, and leaves the rest. */
export const updateScheduleRequest = z.object({
  name: name.nullish(),
  description: description.nullish(),
  cron_expression: cronExpression.nullish(),
  timezone: timezone.nullish(),
  payload_template: payloadTemplate.optional(),
  priority: priority.nullish(),
  max_retries: maxRetries.nullish(),
  timeout_seconds: timeoutSeconds.nullish(),
  tags: tags.nullish(),
  metadata: metadata.nullish(),
  is_active: z.boolean().nullish(),
});
export type UpdateScheduleRequest = z.output<typeof updateScheduleRequest>;

export const createdSchedule = z.object({
  id: z.string(),
  name: z.string(),
  cron_expression: z.string(),
  next_run_at: instant,
});
export type CreatedSchedule = z.output<typeof createdSchedule>;

export const schedule = createdSchedule.extend({
  organization_id: z.string(),
  description: z.string().nullable(),
  timezone: z.string(),
  queue_name: z.string(),
  payload_template: json,
  priority: z.int(),
  max_retries: z.int().describe('when it was left out: what holds for queues that say nothing'),
  timeout_seconds: z.int().describe('when it was left out: what holds for queues that say nothing'),
  is_active: z.boolean(),
  last_run_at: instant.nullable(),
  next_run_at: instant.describe('while it is paused: when it would have fired next'),
  run_count: z.int().describe('runs so far, triggered ones included'),
  tags: json,
  metadata: z.record(z.string(), z.unknown()).nullable(),
  created_at: instant,
  updated_at: instant,
});
export type Schedule = z.output<typeof schedule>;

/** How far the enqueueing of a fire came: waiting to be sent again, being sent, done, refused. */
export const scheduleRunStatus = z.enum(['pending', 'running', 'completed', 'failed']);
export type ScheduleRunStatus = z.output<typeof scheduleRunStatus>;

export const scheduleRun = z.object({
  id: z.string(),
  schedule_id: z.string(),
  job_id: z.string().nullable().describe('null while there is no job'),
  status: scheduleRunStatus.describe('of the enqueueing, not of the job'),
  error_message: z.string().nullable(),
  started_at: instant,
  completed_at: instant.nullable(),
  job_status: jobStatus.nullable().describe('of the job now; null when it is not known any more'),
});
export type ScheduleRun = z.output<typeof scheduleRun>;

export const triggeredSchedule = z.object({
  job_id: z.string(),
  triggered_at: instant,
  scheduled_at: instant.describe('equal to triggered_at'),
});
export type TriggeredSchedule = z.output<typeof triggeredSchedule>;

export const schedulesApi = {
  list: route({
    service,
    method: 'GET',
    path: '/schedules',
    auth: 'key',
    summary: 'List schedules, newest first.',
    query: z.object({ limit: limit(500, 100), offset }),
    responses: { 200: z.array(schedule) },
    errors: ['PAYLOAD_TOO_LARGE'],
  }),
  create: route({
    service,
    method: 'POST',
    path: '/schedules',
    auth: 'key',
    summary: 'Create a schedule: a job on each tick of a cron expression.',
    body: createScheduleRequest,
    responses: { 201: createdSchedule },
    errors: ['ACCESS_DENIED', 'PAYLOAD_TOO_LARGE', 'QUOTA_EXCEEDED', 'FEATURE_DISABLED'],
  }),
  get: route({
    service,
    method: 'GET',
    path: '/schedules/:id',
    auth: 'key',
    summary: 'Read a schedule.',
    responses: { 200: schedule },
    errors: ['NOT_FOUND'],
  }),
  update: route({
    service,
    method: 'PUT',
    path: '/schedules/:id',
    auth: 'key',
    summary: 'Change a schedule, except its queue.',
    body: updateScheduleRequest,
    responses: { 200: schedule },
    errors: ['NOT_FOUND', 'PAYLOAD_TOO_LARGE', 'QUOTA_EXCEEDED', 'FEATURE_DISABLED'],
  }),
  delete: route({
    service,
    method: 'DELETE',
    path: '/schedules/:id',
    auth: 'key',
    summary: 'Delete a schedule; jobs that it made stay.',
    responses: { 204: null },
    errors: ['NOT_FOUND'],
  }),
  pause: route({
    service,
    method: 'POST',
    path: '/schedules/:id/pause',
    auth: 'key',
    summary: 'Stop a schedule from firing.',
    responses: { 200: schedule },
    errors: ['NOT_FOUND'],
  }),
  resume: route({
    service,
    method: 'POST',
    path: '/schedules/:id/resume',
    auth: 'key',
    summary: 'Let a paused schedule fire again; ticks in between are not made up for.',
    responses: { 200: schedule },
    errors: ['NOT_FOUND', 'QUOTA_EXCEEDED', 'FEATURE_DISABLED'],
  }),
  trigger: route({
    service,
    method: 'POST',
    path: '/schedules/:id/trigger',
    auth: 'key',
    summary: 'Enqueue a job of a schedule now, also of a paused one.',
    responses: { 200: triggeredSchedule },
    errors: [
      'ACCESS_DENIED',
      'NOT_FOUND',
      'PAYLOAD_TOO_LARGE',
      'QUOTA_EXCEEDED',
      'FEATURE_DISABLED',
    ],
  }),
  history: route({
    service,
    method: 'GET',
    path: '/schedules/:id/history',
    auth: 'key',
    summary: 'List the runs of a schedule, newest first, as long as the plan keeps them.',
    query: z.object({ limit: limit(500, 50), offset }),
    responses: { 200: z.array(scheduleRun) },
    errors: ['NOT_FOUND'],
  }),
};
