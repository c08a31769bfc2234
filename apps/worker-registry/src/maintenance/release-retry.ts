import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Bus } from '@spooled/nats';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { ReleaseService } from '../workers/release.service.js';

const IDLE_MS = 5000;

/** Gives back the jobs of workers that ended while the bus or the owner of the jobs was away. */
@Injectable()
export class ReleaseRetry implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;

  constructor(
    private readonly releases: ReleaseService,
    private readonly bus: Bus,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({
      name: 'workers.release-retry',
      step: () => this.step(),
      logger,
      metrics,
    });
  }

  onApplicationBootstrap(): void {
    this.bus.onReconnect(() => this.wake());
    this.#loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
  }

  wake(): void {
    this.#loop.wake();
  }

  async step(): Promise<number> {
    return (await this.releases.releasePending()) === 0 ? IDLE_MS : 0;
  }
}
