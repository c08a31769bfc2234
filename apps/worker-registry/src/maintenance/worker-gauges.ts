import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { WORKER_REGISTRY_CONFIG, type WorkerRegistryConfig } from '../config.js';
import { WorkerRepository } from '../workers/store/worker.repository.js';

/**
 * Tells how many workers there are, read from the table each time: a count kept by increments would drift from it.
 * Every instance tells the whole, so a query over instances takes the maximum and not the sum.
 */
@Injectable()
export class WorkerGauges implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;
  readonly #active;
  readonly #healthy;

  constructor(
    private readonly workers: WorkerRepository,
    @Inject(WORKER_REGISTRY_CONFIG) private readonly config: WorkerRegistryConfig,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.#active = metrics.gauge({
      name: 'spooled_workers_active',
      help: 'Workers that are registered and not offline: healthy, degraded or draining.',
    });
    this.#healthy = metrics.gauge({ name: 'spooled_workers_healthy', help: 'Healthy workers.' });
    this.#loop = new Loop({ name: 'workers.gauges', step: () => this.step(), logger, metrics });
  }

  onApplicationBootstrap(): void {
    this.#loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
  }

  async step(): Promise<number> {
    const { active, healthy } = await this.workers.countEverywhere();
    this.#active.set(active);
    this.#healthy.set(healthy);
    return this.config.WORKER_METRICS_INTERVAL_SECS * 1000;
  }
}
