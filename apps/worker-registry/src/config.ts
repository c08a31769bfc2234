import { env } from '@spooled/config';
import { z } from 'zod';

export const workerRegistryConfig = z.object({
  /** Told to a worker at registration: how long its leases last unless it asks otherwise, in seconds. */
  WORKER_LEASE_DURATION_SECS: env.int(30, 5, 3600),
  /** Told to a worker at registration: how often to report, in seconds. */
  WORKER_HEARTBEAT_INTERVAL_SECS: env.int(10, 1, 60),
  /** Silence after which a worker counts as lost, in seconds. */
  WORKER_STALE_AFTER_SECS: env.int(120, 5, 3600),
  /** How often silence is looked for, in seconds. */
  WORKER_SWEEP_INTERVAL_SECS: env.int(15, 1, 60),
  /** How often the gauges of workers are read anew, in seconds. */
  WORKER_METRICS_INTERVAL_SECS: env.int(15, 1, 300),
  /** How long a worker that is gone can still be read, in days. */
  WORKER_HISTORY_DAYS: env.int(7, 1, 365),
});
export type WorkerRegistryConfig = z.output<typeof workerRegistryConfig>;

/** Injection token of `WorkerRegistryConfig`. */
export const WORKER_REGISTRY_CONFIG = Symbol('WORKER_REGISTRY_CONFIG');
