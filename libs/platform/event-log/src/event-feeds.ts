import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Msg } from '@nats-io/transport-node';
import { eventBatch, eventLogRpc, eventSubject, parseJson } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, startSpan, type Logger } from '@spooled/telemetry';
import { OrganizationFeed } from './organization-feed.js';
import { ORGANIZATION_HEADER, TRACE_HEADER } from './publisher.js';

/** How long a feed nobody reads stays warm: clients that lost their connection come back soon. */
const LINGER_MS = 60_000;
/** How often the log is asked whether the last event arrived: nothing on the bus tells of a lost tail. */
const VERIFY_EVERY_MS = 5000;
const VERIFY_BATCH = 1000;

interface Entry {
  readonly feed: OrganizationFeed;
  readonly opened: Promise<void>;
  readers: number;
  linger?: NodeJS.Timeout;
}

/** The reading end of the event log: feeds of the organizations that somebody follows. */
@Injectable()
export class EventFeeds implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #entries = new Map<string, Entry>();
  readonly #shards = new Map<string, { feeds: number; unsubscribe: () => void }>();
  readonly #loop: Loop;

  constructor(
    private readonly bus: Bus,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({ name: 'events.verify', step: () => this.#verify(), logger, metrics });
    bus.onReconnect(() => this.#loop.wake());
  }

  onApplicationBootstrap(): void {
    this.#loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
    for (const organizationId of [...this.#entries.keys()]) this.#drop(organizationId);
  }

  /** The organization's feed, positioned. Give it back with `release`. @throws AppError `SERVICE_UNAVAILABLE` */
  async acquire(organizationId: string): Promise<OrganizationFeed> {
    const entry = this.#entries.get(organizationId) ?? this.#open(organizationId);
    entry.readers += 1;
    clearTimeout(entry.linger);
    try {
      await entry.opened;
    } catch (error) {
      this.release(entry.feed);
      throw error;
    }
    return entry.feed;
  }

  release({ organizationId }: OrganizationFeed): void {
    const entry = this.#entries.get(organizationId);
    if (entry === undefined) return;
    entry.readers -= 1;
    if (entry.readers > 0) return;
    entry.linger = setTimeout(() => this.#drop(organizationId), LINGER_MS).unref();
  }

  #open(organizationId: string): Entry {
    const feed = new OrganizationFeed(organizationId, this.bus);
    this.#follow(eventSubject(organizationId));
    // The subscription stands before the position is asked for, so nothing falls between the two.
    const opened = feed.open();
    const entry: Entry = { feed, opened, readers: 0 };
    this.#entries.set(organizationId, entry);
    opened.catch(() => {
      if (this.#entries.get(organizationId) === entry) this.#drop(organizationId);
    });
    return entry;
  }

  #drop(organizationId: string): void {
    const entry = this.#entries.get(organizationId);
    if (entry === undefined) return;
    clearTimeout(entry.linger);
    this.#entries.delete(organizationId);
    entry.feed.close();
    this.#unfollow(eventSubject(organizationId));
  }

  #follow(subject: string): void {
    const shard = this.#shards.get(subject);
    if (shard !== undefined) {
      shard.feeds += 1;
      return;
    }
    const unsubscribe = this.bus.subscribe(subject, (message) => this.#receive(message));
    this.#shards.set(subject, { feeds: 1, unsubscribe });
  }

  #unfollow(subject: string): void {
    const shard = this.#shards.get(subject);
    if (shard === undefined) return;
    shard.feeds -= 1;
    if (shard.feeds > 0) return;
    shard.unsubscribe();
    this.#shards.delete(subject);
  }

  #receive(message: Msg): void {
    const entry = this.#entries.get(message.headers?.get(ORGANIZATION_HEADER) ?? '');
    if (entry === undefined) return;
    const batch = eventBatch.safeParse(parseJson(message.string()));
    if (batch.success) {
      const span = startSpan('events receive', {
        kind: 'consumer',
        parent: message.headers?.get(TRACE_HEADER) ?? null,
        needsParent: true,
        attributes: {
          'messaging.system': 'nats',
          'messaging.destination.name': message.subject,
          'messaging.batch.message_count': batch.data.events.length,
          'spooled.organization.id': batch.data.organization_id,
        },
      });
      entry.feed.accept(batch.data);
      span?.end();
    } else this.logger.error({ err: batch.error }, 'an event batch was not understood');
  }

  async #verify(): Promise<number> {
    if (!this.bus.isConnected) return VERIFY_EVERY_MS;
    const ids = [...this.#entries.keys()];
    for (let start = 0; start < ids.length; start += VERIFY_BATCH) {
      const organizationIds = ids.slice(start, start + VERIFY_BATCH);
      const { epoch, positions } = await this.bus.request(eventLogRpc.positions, {
        organizationIds,
      });
      for (const { organizationId, newest } of positions) {
        this.#entries.get(organizationId)?.feed.verify(epoch, newest);
      }
    }
    return VERIFY_EVERY_MS;
  }
}
