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

const HOUR_MS = 3_600_000;

/** Forgets workers that ended long ago: with ids made anew at every start they would only ever grow in number. */
@Injectable()
export class WorkerPruner implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;

  constructor(
    private readonly workers: WorkerRepository,
    @Inject(WORKER_REGISTRY_CONFIG) private readonly config: WorkerRegistryConfig,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({
      name: 'workers.pruner',
      step: () => this.step(),
      errorDelayMs: 60_000,
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
    const pruned = await this.workers.prune(this.config.WORKER_HISTORY_DAYS);
    this.#loop.did(pruned);
    return pruned === 0 ? HOUR_MS : 0;
  }
}
