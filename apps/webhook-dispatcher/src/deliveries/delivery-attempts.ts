import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Database } from '@spooled/postgres';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { WEBHOOK_DISPATCHER_CONFIG, type WebhookDispatcherConfig } from '../config.js';
import { deliveryTime } from './delivery-id.js';
import { retryDelaySecs } from './domain/backoff.js';
import { Lanes, type DueLane } from './domain/lanes.js';
import { Sender, type Outcome } from './sender.js';
import {
  DeliveryRepository,
  type ClaimedDelivery,
  type Settlement,
} from './store/delivery.repository.js';

/** Failed deliveries in a row that disable an endpoint. */
const MAX_FAILURES = 20;
/** Outcomes written down together. */
const MAX_SETTLEMENTS = 500;
/** Endpoints looked at in one step. */
const MAX_LANES = 1000;
const BEFORE_ALL: DueLane = {
  organization_id: '00000000-0000-0000-0000-000000000000',
  lane: '00000000-0000-0000-0000-000000000000',
};

/**
 * Attempts deliveries that are due. Each step writes down what came of attempts and takes further deliveries, in one
 * transaction; attempts run beside the loop. Instances share the work delivery by delivery. Whoever dies leaves leases
 * that run out, and what was under way is attempted again: a receiver may see a delivery twice, under the same id.
 */
@Injectable()
export class DeliveryAttempts implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;
  readonly #lanes: Lanes;
  readonly #underWay = new Set<Promise<void>>();
  #ended: Settlement[] = [];
  #after = BEFORE_ALL;
  readonly #deliveries;
  readonly #lag;

  constructor(
    private readonly database: Database,
    private readonly deliveries: DeliveryRepository,
    private readonly sender: Sender,
    @Inject(WEBHOOK_DISPATCHER_CONFIG) private readonly config: WebhookDispatcherConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.#lanes = new Lanes(config.WEBHOOK_MAX_IN_FLIGHT);
    this.#loop = new Loop({
      name: 'webhooks.attempts',
      step: (signal) => this.step(signal),
      logger,
      metrics,
    });
    this.#deliveries = metrics.counter({
      name: 'spooled_webhook_attempts_total',
      help: 'Attempts of deliveries by what came of them.',
      labelNames: ['outcome'],
    });
    this.#lag = metrics.histogram({
      name: 'spooled_webhook_first_attempt_lag_seconds',
      help: 'From an event to the first attempt to deliver it.',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300],
    });
    metrics.reading(
      {
        name: 'spooled_webhook_attempts_in_flight',
        help: 'Requests to receivers that are under way.',
      },
      () => this.#lanes.inFlight,
    );
  }

  onApplicationBootstrap(): void {
    this.#loop.start();
  }

  /** Takes nothing new, and lets attempts under way end: they are bounded in time. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
    await Promise.all(this.#underWay);
    await this.#settle().catch((error: unknown) => {
      this.logger.warn({ err: error }, 'outcomes of deliveries are lost; they are attempted again');
    });
  }

  /** There are deliveries that are due. */
  wake(): void {
    this.#loop.wake();
  }

  async step(signal: AbortSignal): Promise<number> {
    const ended = this.#ended.splice(0, MAX_SETTLEMENTS);
    let claimed: readonly ClaimedDelivery[];
    try {
      claimed = await this.database.maintenance(async (tx) => {
        if (ended.length > 0)
          this.#tellDisabled(await this.deliveries.settle(tx, ended, MAX_FAILURES));
        if (signal.aborted) return [];
        const due = await this.deliveries.dueLanes(tx, this.#after, MAX_LANES);
        this.#after = due.length === MAX_LANES ? due.at(-1)! : BEFORE_ALL;
        const rooms = this.#lanes.rooms(due);
        if (rooms.length === 0) return [];
        return this.deliveries.claim(tx, rooms, this.config.WEBHOOK_LEASE_SECS);
      });
    } catch (error) {
      this.#ended.unshift(...ended);
      throw error;
    }
    for (const delivery of claimed) this.#begin(delivery);
    const isMore = this.#ended.length > 0 || this.#after !== BEFORE_ALL;
    return isMore ? 0 : this.config.WEBHOOK_POLL_MS;
  }

  async #settle(): Promise<void> {
    if (this.#ended.length === 0) return;
    await this.database.maintenance((tx) => this.deliveries.settle(tx, this.#ended, MAX_FAILURES));
  }

  #begin(delivery: ClaimedDelivery): void {
    this.#lanes.began(delivery.lane);
    const attempt = this.#attempt(delivery).finally(() => {
      this.#underWay.delete(attempt);
      this.#loop.wake();
    });
    this.#underWay.add(attempt);
  }

  async #attempt(delivery: ClaimedDelivery): Promise<void> {
    const { url, enabled, secret, previous_secret, id, event, body, traceparent } = delivery;
    if (url === null || enabled !== true) {
      this.#lanes.ended(delivery.lane, true);
      this.#ended.push(dropped(delivery));
      this.#deliveries.inc({ outcome: 'dropped' });
      return;
    }
    if (delivery.attempts === 0) this.#lag.observe((Date.now() - deliveryTime(id)) / 1000);
    const secrets =
      secret === null ? [] : [secret, ...(previous_secret === null ? [] : [previous_secret])];
    const attempt = delivery.attempts + 1;
    const target = { url, owner: delivery.endpoint_id ?? id, secrets };
    const outcome = await this.sender.attempt(target, {
      id,
      event,
      body,
      attempt,
      traceparent,
    });
    this.#lanes.ended(delivery.lane, outcome.isSuccess);
    const settlement = settled(delivery, outcome, this.config.OUTGOING_WEBHOOK_MAX_ATTEMPTS);
    this.#ended.push(settlement);
    const { status } = settlement;
    this.#deliveries.inc({ outcome: status === 'pending' ? 'retried' : status });
  }

  #tellDisabled(endpoints: readonly { organization_id: string; id: string }[]): void {
    for (const { organization_id: organizationId, id } of endpoints) {
      this.logger.warn(
        { organizationId, webhookId: id },
        'a webhook is disabled: nothing could be delivered to it for too long',
      );
    }
  }
}

function settled(delivery: ClaimedDelivery, outcome: Outcome, maxAttempts: number): Settlement {
  const { isSuccess, statusCode, responseBody, error } = outcome;
  const attempts = delivery.attempts + 1;
  const isOver = isSuccess || attempts >= maxAttempts;
  return {
    delivery,
    status: isSuccess ? 'success' : isOver ? 'failed' : 'pending',
    attempts,
    statusCode,
    responseBody,
    error,
    delaySecs: isOver ? 0 : retryDelaySecs(attempts),
  };
}

/** Its endpoint wants nothing any more. */
function dropped(delivery: ClaimedDelivery): Settlement {
  const reason = delivery.url === null ? 'deleted' : 'disabled';
  return {
    delivery,
    status: 'failed',
    attempts: delivery.attempts,
    statusCode: null,
    responseBody: null,
    error: `The webhook is ${reason}.`,
    delaySecs: 0,
  };
}
