import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { EventLogReader, EventNews } from '@spooled/event-log';
import { Bus } from '@spooled/nats';
import { Database } from '@spooled/postgres';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { CompletionEvents } from './completion-events.js';
import { DeliveryAttempts } from './delivery-attempts.js';
import { EndpointEvents, type Reading } from './endpoint-events.js';
import { FollowerRepository, type Follower, type Purpose } from './store/follower.repository.js';

/** How often the logs are looked at without news: what the bus lost is late by no more. */
const LOOK_EVERY_MS = 500;
const PAGE = 1000;
/** Logs read at once. */
const MAX_READING = 4;
const BEFORE_ALL = {
  organization_id: '00000000-0000-0000-0000-000000000000',
  purpose: 'completions',
} as const;

/** The logs that are to be read for one purpose, and the loop that reads them. */
interface Reader {
  readonly loop: Loop;
  readonly wanted: Set<string>;
  readonly read: (organizationId: string) => Promise<Reading>;
}

/**
 * Makes deliveries of events. Each organization's log is read by position, and the position moves in the transaction
 * that writes the deliveries, so a crash at any point loses none and makes none twice. News on the bus only say that it
 * is worth a look.
 */
@Injectable()
export class EventFanOut implements OnApplicationBootstrap, BeforeApplicationShutdown {
  /** Apart, so that a job-api that does not answer holds up no endpoint. */
  readonly #readers: Readonly<Record<Purpose, Reader>>;
  /** What each organization's log is read for. */
  #followed: ReadonlyMap<string, ReadonlySet<Purpose>> = new Map();
  #looksAt = 0;

  constructor(
    private readonly database: Database,
    private readonly reader: EventLogReader,
    private readonly followers: FollowerRepository,
    private readonly attempts: DeliveryAttempts,
    private readonly news: EventNews,
    bus: Bus,
    endpoints: EndpointEvents,
    completions: CompletionEvents,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    const readerFor = (purpose: Purpose, read: Reader['read']): Reader => ({
      wanted: new Set(),
      read,
      loop: new Loop({
        name: `webhooks.fan-out-${purpose}`,
        step: () => this.#step(purpose),
        logger,
        metrics,
      }),
    });
    this.#readers = {
      endpoints: readerFor('endpoints', (organizationId) => endpoints.read(organizationId)),
      completions: readerFor('completions', (organizationId) => completions.read(organizationId)),
    };
    news.onNews((organizationId) => this.#look(organizationId));
    bus.onReconnect(() => this.#readers.completions.loop.wake());
  }

  onApplicationBootstrap(): void {
    for (const { loop } of Object.values(this.#readers)) loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(Object.values(this.#readers).map(({ loop }) => loop.stop()));
  }

  follows(organizationId: string, purpose: Purpose): boolean {
    return this.#followed.get(organizationId)?.has(purpose) ?? false;
  }

  /** An organization's log is read for one more purpose from now on, as this process has just written down. */
  follow(organizationId: string, purpose: Purpose): void {
    const purposes = this.#followed.get(organizationId) ?? [];
    this.#setFollowed(
      new Map([...this.#followed, [organizationId, new Set([...purposes, purpose])]]),
    );
    this.#look(organizationId);
  }

  async #step(purpose: Purpose): Promise<number> {
    // One of them looks for both.
    if (purpose === 'endpoints' && Date.now() >= this.#looksAt) {
      await this.#lookAtAll();
      this.#looksAt = Date.now() + LOOK_EVERY_MS;
    }
    const { wanted, read } = this.#readers[purpose];
    const organizationIds = [...wanted];
    wanted.clear();
    let failure: PromiseRejectedResult | undefined;
    for (let start = 0; start < organizationIds.length; start += MAX_READING) {
      const some = organizationIds.slice(start, start + MAX_READING);
      const readings = await Promise.allSettled(
        some.map(async (organizationId) => {
          const { deliveries, isFull } = await read(organizationId);
          if (isFull) wanted.add(organizationId);
          if (deliveries > 0) this.attempts.wake();
        }),
      );
      failure ??= readings.find((outcome) => outcome.status === 'rejected');
    }
    // The others have been read; those that failed are found again by the next look.
    if (failure !== undefined) throw failure.reason;
    if (wanted.size > 0) return 0;
    return purpose === 'endpoints' ? Math.max(0, this.#looksAt - Date.now()) : LOOK_EVERY_MS;
  }

  #look(organizationId: string): void {
    for (const purpose of this.#followed.get(organizationId) ?? []) {
      this.#want(organizationId, purpose);
    }
  }

  #want(organizationId: string, purpose: Purpose): void {
    const { wanted, loop } = this.#readers[purpose];
    wanted.add(organizationId);
    loop.wake();
  }

  async #lookAtAll(): Promise<void> {
    const followed = new Map<string, Set<Purpose>>();
    for (let after: Pick<Follower, 'organization_id' | 'purpose'> = BEFORE_ALL; ;) {
      const page = await this.database.maintenance(async (tx) => {
        const found = await this.followers.page(tx, after, PAGE);
        const behind = found.length === 0 ? [] : await this.reader.behind(tx, found);
        return { found, behind: new Set(behind) };
      });
      for (const { organization_id, purpose } of page.found) {
        const known = followed.get(organization_id);
        if (known === undefined) followed.set(organization_id, new Set([purpose]));
        else known.add(purpose);
        if (page.behind.has(organization_id)) this.#want(organization_id, purpose);
      }
      if (page.found.length < PAGE) break;
      after = page.found.at(-1)!;
    }
    this.#setFollowed(followed);
  }

  #setFollowed(followed: ReadonlyMap<string, ReadonlySet<Purpose>>): void {
    this.#followed = followed;
    this.news.follow(new Set(followed.keys()));
  }
}
