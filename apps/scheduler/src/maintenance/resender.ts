import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Bus } from '@spooled/nats';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { SCHEDULER_CONFIG, type SchedulerConfig } from '../config.js';
import { RunSender } from '../schedules/run-sender.js';
import { RunRepository } from '../schedules/store/run.repository.js';

const BATCH = 500;
const IDLE_MS = 1000;

/** Sends runs again that a crash, a missing bus or a missing job-api left over: the same job, by its id. */
@Injectable()
export class Resender implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;

  constructor(
    private readonly runs: RunRepository,
    private readonly sender: RunSender,
    private readonly bus: Bus,
    @Inject(SCHEDULER_CONFIG) private readonly config: SchedulerConfig,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({
      name: 'schedules.resender',
      step: (signal) => this.step(signal),
      logger,
      metrics,
    });
  }

  onApplicationBootstrap(): void {
    this.bus.onReconnect(() => this.#loop.wake());
    this.#loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
  }

  async step(signal: AbortSignal): Promise<number> {
    if (!this.bus.isConnected) return IDLE_MS;
    const runs = await this.runs.takeUnsent(BATCH, this.config.SCHEDULE_RESEND_AFTER_SECS);
    await this.sender.send(runs, signal);
    this.#loop.did(runs.length);
    return runs.length === BATCH ? 0 : IDLE_MS;
  }
}
