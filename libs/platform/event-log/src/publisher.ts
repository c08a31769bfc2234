import {
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  Inject,
} from '@nestjs/common';
import { headers } from '@nats-io/transport-node';
import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import { eventSubject } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database } from '@spooled/postgres';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { confirm } from './event-log.sql.js';
import { EventStream } from './event-stream.js';

/** A committed batch, ready to travel. */
export interface CommittedBatch {
  readonly organizationId: string;
  readonly epoch: string;
  readonly firstSeq: number;
  readonly count: number;
  /** The events as a JSON array. */
  readonly json: string;
}

export const ORGANIZATION_HEADER = 'Spooled-Organization';

/** Publishes waiting for the stream's confirmation; beyond it the sweeper takes over. */
const MAX_UNCONFIRMED = 2000;
const CONFIRM_EVERY_MS = 250;
const ACK_TIMEOUT_MS = 5000;

/**
 * The fast path of the event log: a batch goes to the bus right after its commit. Whatever gets lost here is found by
 * the sweeper, because only a batch that the stream confirmed leaves the outbox.
 */
@Injectable()
export class Publisher implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #confirmed: CommittedBatch[] = [];
  readonly #loop: Loop;
  readonly #published;
  #unconfirmed = 0;
  #client: JetStreamClient | undefined;

  constructor(
    private readonly bus: Bus,
    private readonly database: Database,
    private readonly stream: EventStream,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({
      name: 'events.confirm',
      step: () => this.#confirmPublished(),
      logger,
      metrics,
    });
    this.#published = metrics.counter({
      name: 'spooled_event_batches_published_total',
      help: 'Event batches given to the bus, by outcome.',
      labelNames: ['outcome'],
    });
  }

  onApplicationBootstrap(): void {
    this.#loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
    await this.#confirmPublished().catch(() => undefined);
  }

  publish(batch: CommittedBatch): void {
    if (!this.bus.isConnected || this.#unconfirmed >= MAX_UNCONFIRMED) return;
    void this.deliver(batch);
  }

  /** Whether the stream has the batch now. */
  async deliver(batch: CommittedBatch): Promise<boolean> {
    this.#unconfirmed += 1;
    try {
      this.#client ??= jetstream(this.bus.connection);
      await this.#client.publish(eventSubject(batch.organizationId), messageOf(batch), {
        msgID: `${batch.organizationId}.${batch.firstSeq}`,
        headers: organizationHeader(batch.organizationId),
        timeout: ACK_TIMEOUT_MS,
      });
      this.#confirmed.push(batch);
      this.#published.inc({ outcome: 'confirmed' });
      return true;
    } catch {
      // No stream, no bus, no answer: the batch stays in the outbox, and the stream is looked after.
      this.#published.inc({ outcome: 'unconfirmed' });
      this.stream.suspect();
      return false;
    } finally {
      this.#unconfirmed -= 1;
    }
  }

  async #confirmPublished(): Promise<number> {
    const batches = this.#confirmed.splice(0, 1000);
    if (batches.length === 0) return CONFIRM_EVERY_MS;
    await this.database.query([], confirm, [
      batches.map(({ organizationId }) => organizationId),
      batches.map(({ firstSeq, count }) => firstSeq + count - 1),
    ]);
    return batches.length === 1000 ? 0 : CONFIRM_EVERY_MS;
  }
}

function messageOf({ organizationId, epoch, firstSeq, json }: CommittedBatch): string {
  return `{"organization_id":"${organizationId}","epoch":"${epoch}","first_seq":${firstSeq},"events":${json}}`;
}

/** Lets a consumer drop what it does not follow without parsing it. */
function organizationHeader(organizationId: string) {
  const all = headers();
  all.set(ORGANIZATION_HEADER, organizationId);
  return all;
}
