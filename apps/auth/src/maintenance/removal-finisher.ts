import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { jobsRpc, schedulesRpc, webhooksRpc, workersRpc } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { StripeClient } from '../billing/stripe-client.js';
import { RemovalRepository, type RemovalRow } from '../organizations/store/removal.repository.js';

const PERIOD_MS = 10_000;
const BATCH = 10;
/** Answers of one service to "there is more" before the others have their turn. */
const MAX_ROUNDS = 20;
/** Longer than a service believes a credential it cannot ask about (docs/adr/0006): none writes after this. */
const LAST_VISIT_SECS = 15 * 60;

const commands = [jobsRpc, workersRpc, schedulesRpc, webhooksRpc].map(
  (questions) => questions.forgetOrganization,
);

/**
 * Asks every service to forget deleted organizations until all have, and once more when nobody can write any longer; and
 * Stripe to end what they paid.
 */
@Injectable()
export class RemovalFinisher implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;

  constructor(
    private readonly removals: RemovalRepository,
    private readonly stripe: StripeClient,
    private readonly bus: Bus,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    const step = (signal: AbortSignal) => this.step(signal);
    this.#loop = new Loop({ name: 'auth.removal-finisher', step, logger, metrics });
  }

  onApplicationBootstrap(): void {
    this.#loop.start();
    this.bus.onReconnect(() => this.wake());
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
  }

  wake(): void {
    this.#loop.wake();
  }

  async step(signal: AbortSignal): Promise<number> {
    const due = await this.removals.takeDue(BATCH);
    for (const removal of due) {
      const { organization_id: id } = removal;
      const outcomes = await Promise.all([
        this.#isPaidNoMore(removal),
        ...commands.map((command) => this.#isForgotten(command, id, signal)),
      ]);
      if (outcomes.every(Boolean)) await this.removals.settle(id, LAST_VISIT_SECS);
    }
    return due.length === BATCH ? 0 : PERIOD_MS;
  }

  async #isPaidNoMore({ organization_id: id, subscription_id }: RemovalRow): Promise<boolean> {
    if (subscription_id === null) return true;
    try {
      await this.stripe.cancelSubscription(subscription_id);
      await this.removals.settleSubscription(id);
      return true;
    } catch (error) {
      const message = 'a deleted organization may still pay: its subscription could not be ended';
      this.logger.error({ organization_id: id, subscription_id, err: error }, message);
      return false;
    }
  }

  /** A service that is away, or fails, is asked again at the next visit. */
  async #isForgotten(
    command: (typeof commands)[number],
    organizationId: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      for (let round = 0; round < MAX_ROUNDS && !signal.aborted; round += 1) {
        if ((await this.bus.request(command, { organizationId })).isDone) return true;
      }
    } catch {
      // Nothing is lost: the removal stays due.
    }
    return false;
  }
}
