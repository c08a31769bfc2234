import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Plans } from '@spooled/access';
import { plans as knownPlans } from '@spooled/contracts';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { firstRunIdAt } from '../schedules/run-id.js';
import { RunRepository } from '../schedules/store/run.repository.js';

const PAGE = 500;
/** Small enough that no other statement waits long behind one. */
const BATCH = 1000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** Runs older than the plan keeps history are forgotten, in bounded batches; those of deleted schedules as well. */
@Injectable()
export class RunPruner implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;

  constructor(
    private readonly runs: RunRepository,
    private readonly plans: Plans,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({
      name: 'schedules.run-pruner',
      step: (signal) => this.step(signal),
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

  /** One pass over all organizations. */
  async step(signal: AbortSignal): Promise<number> {
    let after = BEFORE_ALL;
    while (!signal.aborted) {
      const organizations = await this.runs.organizations(after, PAGE);
      const plans = await this.plans.many(organizations);
      for (const organizationId of organizations) {
        // An organization that is gone keeps as little as one that pays nothing.
        const { history_retention_days: days } = plans.get(organizationId) ?? knownPlans.free;
        await this.#prune(organizationId, days, signal);
      }
      if (organizations.length < PAGE) break;
      after = organizations.at(-1)!;
    }
    return HOUR_MS;
  }

  async #prune(organizationId: string, days: number, signal: AbortSignal): Promise<void> {
    const olderThan = firstRunIdAt(Date.now() - days * DAY_MS);
    while (!signal.aborted) {
      const pruned = await this.runs.prune(organizationId, olderThan, BATCH);
      this.#loop.did(pruned);
      if (pruned < BATCH) return;
    }
  }
}
