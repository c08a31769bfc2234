import { AppError, eventLogRpc, type EventBatch, type StoredEvent } from '@spooled/contracts';
import type { Bus } from '@spooled/nats';
import { LogPages, type LogPage } from './log-pages.js';
import { RecentEvents } from './recent-events.js';

/** A stored event and its place in the organization's log. */
export interface FeedEvent {
  readonly seq: number;
  readonly event: StoredEvent;
}

export interface FeedListener {
  /** New events, dense and in order. Must not throw. */
  onEvents(events: readonly FeedEvent[]): void;
  /** Continuity is lost for good: events are missing that the log no longer holds, or the log is another one. */
  onReset(): void;
}

/** How long a batch ahead of its turn waits for the one before, which is usually on its way. */
const REORDER_MS = 30;
const RETRY_MS = 500;
/** Batches ahead of their turn that are kept; beyond it the log is asked for all of them. */
const MAX_AHEAD = 1000;

/**
 * One organization's events, followed live: dense, in order, without duplicates, whatever the bus does. The bus is
 * only believed as far as sequence numbers prove it; the rest is fetched from the log.
 */
export class OrganizationFeed {
  readonly organizationId: string;
  readonly #bus: Bus;
  readonly #listeners = new Set<FeedListener>();
  readonly #ahead = new Map<number, EventBatch>();
  readonly #recent = new RecentEvents();
  readonly #pages = new LogPages();
  #epoch = '';
  #position = 0;
  #isPositioned = false;
  #repairing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(organizationId: string, bus: Bus) {
    this.organizationId = organizationId;
    this.#bus = bus;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** Sequence of the newest event handed out. */
  get position(): number {
    return this.#position;
  }

  subscribe(listener: FeedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Sequence of the oldest event that can still be read. */
  async oldest(): Promise<number> {
    return (await this.#ask(this.#position)).oldest;
  }

  /**
   * Events with `after < seq <= to`, oldest first: from memory as far as it reaches, else from the log, which is asked
   * once for all who read the same part of it at about the same time.
   * @throws AppError `CURSOR_EXPIRED` when the log no longer reaches back to `after` or is another one, as after a
   * restore, `SERVICE_UNAVAILABLE` when it cannot be asked.
   */
  async *read(after: number, to: number): AsyncGenerator<readonly FeedEvent[]> {
    let next = after;
    while (next < to) {
      const remembered = this.#recent.between(next, to);
      if (remembered !== undefined) {
        yield remembered;
        return;
      }
      const page = await this.#pages.after(next, () => this.#page(next, to));
      const events = page.events.filter(({ seq }) => seq > next && seq <= to);
      if (events[0]?.seq !== next + 1 && page.oldest > next + 1) {
        throw new AppError('CURSOR_EXPIRED');
      }
      const last = events.at(-1);
      if (last === undefined) return;
      next = last.seq;
      yield events;
    }
  }

  /** Takes the present end of the log as the starting point. @throws AppError `SERVICE_UNAVAILABLE` */
  async open(): Promise<void> {
    const { epoch, positions } = await this.#bus.request(eventLogRpc.positions, {
      organizationIds: [this.organizationId],
    });
    this.#epoch = epoch;
    this.#position = positions[0]?.newest ?? 0;
    this.#isPositioned = true;
    for (const [first, batch] of this.#ahead) {
      if (batch.epoch !== epoch) this.#ahead.delete(first);
    }
    this.#advance();
  }

  /** A batch came over the bus: perhaps again, perhaps too early, perhaps from another history. */
  accept(batch: EventBatch): void {
    if (!this.#isPositioned) {
      this.#ahead.set(batch.first_seq, batch);
      return;
    }
    if (batch.epoch !== this.#epoch) return this.#repairSoon(0);
    if (lastSeq(batch) <= this.#position) return;
    if (this.#ahead.size < MAX_AHEAD) this.#ahead.set(batch.first_seq, batch);
    this.#advance();
  }

  /** The log says it stands here: what did not arrive must be fetched. */
  verify(epoch: string, newest: number): void {
    if (this.#isPositioned && (epoch !== this.#epoch || newest > this.#position)) {
      this.#repairSoon(0);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#pages.clear();
    clearTimeout(this.#timer);
    this.#listeners.clear();
  }

  /** Hands out every waiting batch whose turn has come. */
  #advance(): void {
    const ready: FeedEvent[] = [];
    const batches = [...this.#ahead.values()].sort((a, b) => a.first_seq - b.first_seq);
    let position = this.#position;
    for (const batch of batches) {
      if (batch.first_seq > position + 1) break;
      this.#ahead.delete(batch.first_seq);
      for (const entry of flatten(batch)) if (entry.seq > position) ready.push(entry);
      position = Math.max(position, lastSeq(batch));
    }
    this.#deliver(ready);
    if (this.#ahead.size > 0) this.#repairSoon(REORDER_MS);
  }

  #deliver(events: readonly FeedEvent[]): void {
    const last = events.at(-1);
    if (last === undefined) return;
    this.#position = last.seq;
    this.#recent.push(events);
    for (const listener of this.#listeners) listener.onEvents(events);
  }

  #repairSoon(delayMs: number): void {
    if (this.#timer !== undefined || this.#repairing !== undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#repairing = this.#repair().finally(() => {
        this.#repairing = undefined;
        if (this.#ahead.size > 0) this.#repairSoon(RETRY_MS);
      });
    }, delayMs);
  }

  /** Fetches everything after the position from the log. */
  async #repair(): Promise<void> {
    try {
      for (;;) {
        // The bus may move the position past the answer while that is on its way.
        const asked = this.#position;
        const { epoch, oldest, newest, batches, done } = await this.#ask(asked);
        if (this.#isClosed) return;
        if (epoch !== this.#epoch || oldest > this.#position + 1 || newest < asked) {
          this.#reset(epoch, newest);
          return;
        }
        const position = this.#position;
        this.#deliver(batches.flatMap(flatten).filter(({ seq }) => seq > position));
        if (done || batches.length === 0) break;
      }
      for (const [first, batch] of this.#ahead) {
        if (lastSeq(batch) <= this.#position) this.#ahead.delete(first);
      }
      if (this.#ahead.size > 0) this.#advance();
    } catch {
      // The log cannot be asked now: the next attempt follows, and nothing is handed out until then.
      setTimeout(() => this.#repairSoon(0), RETRY_MS).unref();
    }
  }

  #reset(epoch: string, newest: number): void {
    this.#epoch = epoch;
    this.#position = newest;
    this.#ahead.clear();
    this.#recent.clear();
    this.#pages.clear();
    for (const listener of this.#listeners) listener.onReset();
  }

  async #page(after: number, upTo: number): Promise<LogPage> {
    const { epoch, oldest, batches } = await this.#ask(after, upTo);
    if (epoch !== this.#epoch) {
      // The same numbers mean other events there.
      this.#repairSoon(0);
      throw new AppError('CURSOR_EXPIRED');
    }
    const page = { events: batches.flatMap(flatten), oldest };
    if (!this.#isClosed) this.#pages.keep(page);
    return page;
  }

  #ask(after: number, upTo: number | null = null) {
    return this.#bus.request(eventLogRpc.replay, {
      organizationId: this.organizationId,
      after,
      upTo,
    });
  }
}

function lastSeq({ first_seq, events }: EventBatch): number {
  return first_seq + events.length - 1;
}

function flatten({ first_seq, events }: EventBatch): FeedEvent[] {
  return events.map((event, index) => ({ seq: first_seq + index, event }));
}
