import {
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  Inject,
} from '@nestjs/common';
import { createInbox, headers, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import { eventSubject } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database } from '@spooled/postgres';
import { Loop } from '@spooled/runtime';
import {
  failSpan,
  LOGGER,
  Metrics,
  spanTraceparent,
  startSpan,
  type Logger,
  type Span,
} from '@spooled/telemetry';
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
/** The trace of whoever's change the batch tells of. */
export const TRACE_HEADER = 'traceparent';

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
  /** Where the stream confirms what took the fast path; the last token numbers the publish. */
  readonly #inbox = createInbox();
  readonly #awaiting = new Map<number, AwaitedBatch>();
  #publishes = 0;
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
    this.bus.subscribe(`${this.#inbox}.*`, (message) => this.#receive(message));
    this.#loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
    await this.#confirmPublished().catch(() => undefined);
  }

  /**
   * A plain publish whose confirmation comes to one shared subscription: a request of its own for each, with its timer
   * and its errors made in advance, cost more than the publish.
   */
  publish(batch: CommittedBatch): void {
    if (!this.bus.isConnected || this.#awaiting.size >= MAX_UNCONFIRMED) return;
    const number = (this.#publishes += 1);
    const subject = eventSubject(batch.organizationId);
    // A part of the transaction's trace; it ends when the stream has the batch.
    const span = startSpan('events publish', {
      kind: 'producer',
      needsParent: true,
      attributes: {
        'messaging.system': 'nats',
        'messaging.destination.name': subject,
        'messaging.batch.message_count': batch.count,
        'spooled.organization.id': batch.organizationId,
      },
    });
    this.#awaiting.set(number, { batch, sentAt: Date.now(), span });
    this.bus.publish(subject, messageOf(batch), {
      headers: messageHeaders(batch, spanTraceparent(span)),
      reply: `${this.#inbox}.${number}`,
    });
  }

  /** Publishes and waits; answers whether the stream has the batch now. It stays in the outbox: that is the caller's. */
  async deliver(batch: CommittedBatch): Promise<boolean> {
    try {
      this.#client ??= jetstream(this.bus.connection);
      await this.#client.publish(eventSubject(batch.organizationId), messageOf(batch), {
        headers: messageHeaders(batch),
        timeout: ACK_TIMEOUT_MS,
      });
      this.#published.inc({ outcome: 'confirmed' });
      return true;
    } catch {
      this.#miss();
      return false;
    }
  }

  #receive(message: Msg): void {
    const number = Number(message.subject.slice(this.#inbox.length + 1));
    const awaited = this.#awaiting.get(number);
    if (awaited === undefined) return;
    this.#awaiting.delete(number);
    if (isConfirmation(message)) this.#confirm(awaited.batch);
    else {
      failSpan(awaited.span, { code: 'unconfirmed' });
      this.#miss();
    }
    awaited.span?.end();
  }

  #confirm(batch: CommittedBatch): void {
    this.#confirmed.push(batch);
    this.#published.inc({ outcome: 'confirmed' });
  }

  /** No stream, no bus, no answer: the batch stays in the outbox, and the stream is looked after. */
  #miss(): void {
    this.#published.inc({ outcome: 'unconfirmed' });
    this.stream.suspect();
  }

  #forgetUnanswered(): void {
    const oldest = Date.now() - ACK_TIMEOUT_MS;
    for (const [number, { sentAt, span }] of this.#awaiting) {
      if (sentAt > oldest) return;
      failSpan(span, { code: 'timeout' });
      span?.end();
      this.#awaiting.delete(number);
      this.#miss();
    }
  }

  async #confirmPublished(): Promise<number> {
    this.#forgetUnanswered();
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

interface AwaitedBatch {
  readonly batch: CommittedBatch;
  readonly sentAt: number;
  readonly span: Span | undefined;
}

/**
 * The message id makes a repeated publish harmless, but for the same number in another history; the organization lets a consumer drop what it does not follow
 * without parsing it.
 */
function messageHeaders(
  { organizationId, epoch, firstSeq }: CommittedBatch,
  traceparent: string | null = null,
): MsgHdrs {
  const all = headers();
  all.set('Nats-Msg-Id', `${epoch}.${organizationId}.${firstSeq}`);
  all.set(ORGANIZATION_HEADER, organizationId);
  if (traceparent !== null) all.set(TRACE_HEADER, traceparent);
  return all;
}

/** The stream answers with where it put the message; without a stream there is a status, with trouble an error. */
function isConfirmation(message: Msg): boolean {
  if (message.headers?.hasError === true || message.data.length === 0) return false;
  const answer = message.json<{ seq?: number; error?: unknown }>();
  return answer.error === undefined && answer.seq !== undefined;
}
