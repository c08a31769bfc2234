import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { StoredEvent } from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import { Database } from '@spooled/postgres';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { WORKER_REGISTRY_CONFIG, type WorkerRegistryConfig } from '../config.js';
import { workerDeregistered } from '../workers/domain/worker-events.js';
import { WorkerRepository } from '../workers/store/worker.repository.js';
import { ReleaseRetry } from './release-retry.js';

/** Workers that fell silent → offline, and their jobs are given back. Instances share the work row by row. */
@Injectable()
export class StalenessSweep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;

  constructor(
    private readonly database: Database,
    private readonly workers: WorkerRepository,
    private readonly eventLog: EventLog,
    private readonly releaseRetry: ReleaseRetry,
    @Inject(WORKER_REGISTRY_CONFIG) private readonly config: WorkerRegistryConfig,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({
      name: 'workers.staleness-sweep',
      step: () => this.step(),
      logger,
      metrics,
    });
  }

  onApplicationBootstrap(): void {
    this.#loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
  }

  async step(): Promise<number> {
    const swept = await this.database.maintenance(async (tx) => {
      const ended = await this.workers.sweepStale(tx, this.config.WORKER_STALE_AFTER_SECS);
      const events = new Map<string, StoredEvent[]>();
      for (const row of ended) {
        const ofOrganization = events.get(row.organization_id) ?? [];
        ofOrganization.push(workerDeregistered(row, 'stale', row.updated_at));
        events.set(row.organization_id, ofOrganization);
      }
      this.eventLog.append(
        tx,
        [...events].map(([organizationId, told]) => ({ organizationId, events: told })),
      );
      return ended.length;
    });
    if (swept === 0) return this.config.WORKER_SWEEP_INTERVAL_SECS * 1000;
    this.#loop.did(swept);
    this.releaseRetry.wake();
    return 0;
  }
}
