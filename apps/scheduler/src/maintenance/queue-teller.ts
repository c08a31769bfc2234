import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { AppError } from '@spooled/contracts';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { ScheduledQueues } from '../schedules/scheduled-queues.js';
import { ScheduleRepository } from '../schedules/store/schedule.repository.js';

const PAGE = 100;
const EVERY_MS = 10 * 60_000;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** Tells job-api again which queues schedules feed: a word that was lost must not count, or hide, a queue for ever. */
@Injectable()
export class QueueTeller implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;

  constructor(
    private readonly schedules: ScheduleRepository,
    private readonly queues: ScheduledQueues,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({
      name: 'schedules.queue-teller',
      step: (signal) => this.step(signal),
      errorDelayMs: 30_000,
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

  /** One pass over all organizations. */
  async step(signal: AbortSignal): Promise<number> {
    let after = BEFORE_ALL;
    while (!signal.aborted) {
      const organizations = await this.schedules.feeders(after, PAGE);
      for (const organizationId of organizations) {
        if (!signal.aborted) await this.#tell(organizationId);
      }
      if (organizations.length < PAGE) break;
      after = organizations.at(-1)!;
    }
    return EVERY_MS;
  }

  async #tell(organizationId: string): Promise<void> {
    try {
      await this.queues.tell(organizationId);
    } catch (error) {
      if (!(error instanceof AppError) || error.code === 'SERVICE_UNAVAILABLE') throw error;
      // Such as a plan that has shrunk since: job-api keeps what it knows, and the others are still to be told of.
      this.logger.warn({ err: error, organizationId }, 'job-api refuses the queues of schedules');
    }
  }
}
