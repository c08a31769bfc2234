import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Bus } from '@spooled/nats';
import { Database } from '@spooled/postgres';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { EVENT_LOG_CONFIG, type EventLogConfig } from './event-log.config.js';
import { confirm, lag, rollPartitions, unconfirmed } from './event-log.sql.js';
import { Publisher } from './publisher.js';

/** A batch this old was not lost in traffic: nobody is publishing it any more, in seconds. */
const OVERDUE_SECS = 1;
const SWEEP_EVERY_MS = 1000;
const ROLL_EVERY_MS = 3_600_000;

interface Overdue {
  readonly organization_id: string;
  readonly first_seq: number | null;
  readonly last_seq: number;
  readonly events: unknown[] | null;
  readonly epoch: string;
}

/** Publishes what a crash or a broken bus left unpublished, and keeps the log's partitions rolling. */
@Injectable()
export class Sweeper implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loops: Loop[];
  readonly #swept;
  readonly #lag;

  constructor(
    private readonly bus: Bus,
    private readonly database: Database,
    private readonly publisher: Publisher,
    @Inject(EVENT_LOG_CONFIG) private readonly config: EventLogConfig,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    const sweep = new Loop({ name: 'events.sweep', step: () => this.#sweep(), logger, metrics });
    const roll = new Loop({ name: 'events.roll', step: () => this.#roll(), logger, metrics });
    this.#loops = [sweep, roll];
    bus.onReconnect(() => sweep.wake());
    this.#swept = metrics.counter({
      name: 'spooled_event_batches_swept_total',
      help: 'Event batches that the sweeper had to publish.',
    });
    this.#lag = metrics.gauge({
      name: 'spooled_event_publish_lag_seconds',
      help: 'Age of the oldest committed event batch that the bus has not confirmed.',
    });
  }

  onApplicationBootstrap(): void {
    for (const loop of this.#loops) loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }

  async #sweep(): Promise<number> {
    const [row] = await this.database.query<{ seconds: number }>([], lag);
    const lagSeconds = row?.seconds ?? 0;
    this.#lag.set(lagSeconds);
    if (lagSeconds < OVERDUE_SECS || !this.bus.isConnected) return SWEEP_EVERY_MS;
    const overdue = await this.database.query<Overdue>([], unconfirmed, [OVERDUE_SECS]);
    // Sent in this order; one after the other, each would wait in vain for a stream without a leader.
    const outcomes = await Promise.all(overdue.map((batch) => this.#publish(batch)));
    const done = overdue.filter((_, index) => outcomes[index]);
    // Before the next look, which would find and publish them again.
    await this.#confirm(done);
    const delivered = done.length;
    this.#swept.inc(delivered);
    this.#loops[0]!.did(delivered);
    return delivered > 0 && delivered === overdue.length ? 0 : SWEEP_EVERY_MS;
  }

  /** Answers whether it is done with. What has left the log with its partition cannot be published any more. */
  async #publish({ organization_id, first_seq, events, epoch }: Overdue): Promise<boolean> {
    if (first_seq === null || events === null) return true;
    return this.publisher.deliver({
      organizationId: organization_id,
      epoch,
      firstSeq: first_seq,
      count: events.length,
      json: JSON.stringify(events),
    });
  }

  async #confirm(done: readonly Overdue[]): Promise<void> {
    if (done.length === 0) return;
    await this.database.query([], confirm, [
      done.map(({ organization_id }) => organization_id),
      done.map(({ last_seq }) => last_seq),
    ]);
  }

  async #roll(): Promise<number> {
    await this.database.query([], rollPartitions, [this.config.EVENT_RETENTION_HOURS]);
    return ROLL_EVERY_MS;
  }
}
