import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { firstDeliveryIdAt } from '../deliveries/delivery-id.js';
import { DeliveryRepository } from '../deliveries/store/delivery.repository.js';

const PAGE = 500;
/** Small enough that no other statement waits long behind one. */
const BATCH = 1000;
const HOUR_MS = 3_600_000;
const KEPT_MS = 14 * 24 * HOUR_MS;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** Deliveries are forgotten after 14 days, in bounded batches; those of deleted endpoints as well. */
@Injectable()
export class DeliveryPruner implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;

  constructor(
    private readonly deliveries: DeliveryRepository,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({
      name: 'webhooks.delivery-pruner',
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
    const beforeId = firstDeliveryIdAt(Date.now() - KEPT_MS);
    let after = BEFORE_ALL;
    while (!signal.aborted) {
      const organizations = await this.deliveries.organizations(after, PAGE);
      for (const organizationId of organizations) {
        await this.#prune(organizationId, beforeId, signal);
      }
      if (organizations.length < PAGE) break;
      after = organizations.at(-1)!;
    }
    return HOUR_MS;
  }

  async #prune(organizationId: string, beforeId: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pruned = await this.deliveries.prune(organizationId, beforeId, BATCH);
      this.#loop.did(pruned);
      if (pruned < BATCH) return;
    }
  }
}
