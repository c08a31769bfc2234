import { env } from '@spooled/config';
import { z } from 'zod';

export const schedulerConfig = z.object({
  /** How late a schedule that another instance made or changed may be noticed, in milliseconds. */
  SCHEDULE_POLL_MS: env.int(1000, 50, 1000),
  /** How long an answer of job-api is waited for before somebody asks again, in seconds. */
  SCHEDULE_RESEND_AFTER_SECS: env.int(15, 1, 300),
  /** Shown as `max_retries` of a schedule that leaves it to the queue; job-api's setting of the same name. */
  QUEUE_DEFAULT_MAX_RETRIES: env.int(3, 0, 100),
  /** Shown as `timeout_seconds` of a schedule that leaves it to the queue; job-api's setting of the same name. */
  QUEUE_DEFAULT_TIMEOUT_SECS: env.int(300, 1, 86_400),
});
export type SchedulerConfig = z.output<typeof schedulerConfig>;

/** Injection token of `SchedulerConfig`. */
export const SCHEDULER_CONFIG = Symbol('SCHEDULER_CONFIG');
