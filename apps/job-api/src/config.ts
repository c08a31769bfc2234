import { env } from '@spooled/config';
import { z } from 'zod';

export const jobApiConfig = z.object({
  /** Lease of a claim that names none, in seconds. */
  WORKER_LEASE_DURATION_SECS: env.int(30, 5, 3600),
  /** Retries of a job when neither it nor its queue says. */
  QUEUE_DEFAULT_MAX_RETRIES: env.int(3, 0, 100),
  /** `timeout_seconds` of a job when neither it nor its queue says. */
  QUEUE_DEFAULT_TIMEOUT_SECS: env.int(300, 1, 86_400),
  /** How often expired leases are looked for, in milliseconds. */
  LEASE_REAP_INTERVAL_MS: env.int(5000, 50, 60_000),
  /** How often work that no hint told of is looked for: for those who wait, and what other instances scheduled; in milliseconds. */
  WORK_POLL_INTERVAL_MS: env.int(2000, 50, 60_000),
  /** Callers that may share one transaction; 1 switches grouping off (for measuring what it is worth). */
  GROUP_COMMIT_MAX_ROWS: env.int(500, 1, 1000),
  /** Transactions of grouped calls under way at once, of this process. */
  GROUP_COMMIT_MAX_IN_FLIGHT: env.int(2, 1, 8),
});
export type JobApiConfig = z.output<typeof jobApiConfig>;

/** Injection token of `JobApiConfig`. */
export const JOB_API_CONFIG = Symbol('JOB_API_CONFIG');
