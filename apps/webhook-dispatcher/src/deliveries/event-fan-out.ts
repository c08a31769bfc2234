import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { EventLogReader, EventNews, type FeedEvent } from '@spooled/event-log';
import { Bus } from '@spooled/nats';
import { Database } from '@spooled/postgres';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { DeliveryAttempts } from './delivery-attempts.js';
import { deliveryId } from './delivery-id.js';
import { envelope } from './domain/envelope.js';
import { webhookEventOf } from './domain/webhook-event.js';
import { DeliveryRepository, type NewDelivery } from './store/delivery.repository.js';
import { FollowerRepository, type Listener } from './store/follower.repository.js';

/** How often the logs are looked at without news: what the bus lost is late by no more. */
const LOOK_EVERY_MS = 500;
const PAGE = 1000;
/** Organizations read at once. */
const MAX_READING = 4;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/**
 * Makes deliveries of events. Each organization's log is read by position, and the position moves in the transaction
 * that writes the deliveries, so a crash at any point loses none and makes none twice. News on the bus only say that it
 * is worth a look.
 */
@Injectable()
export class EventFanOut implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;
  readonly #wanted = new Set<string>();
  readonly #missed;
  #followed: ReadonlySet<string> = new Set();
  #looksAt = 0;

  constructor(
    private readonly database: Database,
    private readonly reader: EventLogReader,
    private readonly followers: FollowerRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly attempts: DeliveryAttempts,
    private readonly news: EventNews,
    bus: Bus,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({
      name: 'webhooks.fan-out',
      step: () => this.step(),
      logger,
      metrics,
    });
    this.#missed = metrics.counter({
      name: 'spooled_webhook_events_missed_total',
      help: 'Events that left the log before they were made into deliveries.',
    });
    news.onNews((organizationId) => this.#look(organizationId));
    bus.onReconnect(() => this.#loop.wake());
  }

  onApplicationBootstrap(): void {
    this.#loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
  }

  /** An organization of this process has an enabled endpoint now. */
  follow(organizationId: string): void {
    this.#setFollowed(new Set([...this.#followed, organizationId]));
    this.#look(organizationId);
  }

  async step(): Promise<number> {
    if (Date.now() >= this.#looksAt) {
      await this.#lookAtAll();
      this.#looksAt = Date.now() + LOOK_EVERY_MS;
    }
    const organizations = [...this.#wanted];
    this.#wanted.clear();
    for (let start = 0; start < organizations.length; start += MAX_READING) {
      const some = organizations.slice(start, start + MAX_READING);
      const read = await Promise.allSettled(some.map((each) => this.#fanOut(each)));
      const failed = read.find((outcome) => outcome.status === 'rejected');
      // Those that are left are found again by the next look.
      if (failed !== undefined) throw failed.reason;
    }
    return this.#wanted.size > 0 ? 0 : Math.max(0, this.#looksAt - Date.now());
  }

  #look(organizationId: string): void {
    this.#wanted.add(organizationId);
    this.#loop.wake();
  }

  async #lookAtAll(): Promise<void> {
    const followed = new Set<string>();
    for (let after = BEFORE_ALL; ;) {
      const page = await this.database.maintenance(async (tx) => {
        const found = await this.followers.page(tx, after, PAGE);
        const behind = found.length === 0 ? [] : await this.reader.behind(tx, found);
        return { found, behind };
      });
      for (const { organization_id: organizationId } of page.found) followed.add(organizationId);
      for (const organizationId of page.behind) this.#wanted.add(organizationId);
      if (page.found.length < PAGE) break;
      after = page.found.at(-1)!.organization_id;
    }
    this.#setFollowed(followed);
  }

  #setFollowed(organizationIds: ReadonlySet<string>): void {
    this.#followed = organizationIds;
    this.news.follow(organizationIds);
  }

  /** One page of one log. */
  async #fanOut(organizationId: string): Promise<void> {
    const { isFull, count } = await this.database.transaction([organizationId], async (tx) => {
      const position = await this.followers.lockPosition(tx, organizationId);
      if (position === null) return { isFull: false, count: 0 };
      const [listeners, page] = await Promise.all([
        this.followers.listeners(tx, organizationId),
        this.reader.page(tx, organizationId, position),
      ]);
      if (listeners.length === 0) {
        this.followers.unfollow(tx, organizationId);
        return { isFull: false, count: 0 };
      }
      const last = page.events.at(-1);
      if (last === undefined) return { isFull: false, count: 0 };
      this.#tellMissed(organizationId, page.missed);
      const deliveries = page.events.flatMap((entry) => deliveriesOf(entry, listeners));
      await this.deliveries.insert(tx, organizationId, deliveries);
      this.followers.advance(tx, organizationId, last.seq);
      return { isFull: page.isFull, count: deliveries.length };
    });
    if (isFull) this.#wanted.add(organizationId);
    if (count > 0) this.attempts.wake();
  }

  #tellMissed(organizationId: string, missed: number): void {
    if (missed === 0) return;
    this.#missed.inc(missed);
    this.logger.error({ organizationId, missed }, 'the log was read too late: events are missing');
  }
}

function deliveriesOf({ seq, event }: FeedEvent, listeners: readonly Listener[]): NewDelivery[] {
  const told = webhookEventOf(event);
  if (told === null) return [];
  return listeners
    .filter(({ events, since_seq }) => seq > since_seq && events.includes(told.name))
    .map(({ id: endpointId }) => {
      const id = deliveryId(endpointId, seq, new Date(told.at));
      return { id, endpointId, event: told.name, body: envelope(id, told) };
    });
}
