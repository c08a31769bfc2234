import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { BillingRepository } from '../billing/store/billing.repository.js';
import { EmailCodeRepository } from '../email/store/email-code.repository.js';
import { SessionRepository } from '../tokens/store/session.repository.js';

const PERIOD_MS = 60_000;
const BATCH = 1000;

/**
 * Deletes sessions whose last token is over, tickets and codes that nobody used, and old events of Stripe. Instances may
 * run it side by side.
 */
@Injectable()
export class ExpiryPruner implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;

  constructor(
    private readonly sessions: SessionRepository,
    private readonly codes: EmailCodeRepository,
    private readonly billing: BillingRepository,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    const step = () => this.step();
    this.#loop = new Loop({ name: 'auth.expiry-pruner', step, logger, metrics });
  }

  onApplicationBootstrap(): void {
    this.#loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
  }

  /** A full batch means that there is more. */
  async step(): Promise<number> {
    const pruned = [
      await this.sessions.prune(BATCH),
      await this.codes.prune(BATCH),
      await this.billing.prune(BATCH),
    ];
    for (const count of pruned) this.#loop.did(count);
    return pruned.includes(BATCH) ? 0 : PERIOD_MS;
  }
}
