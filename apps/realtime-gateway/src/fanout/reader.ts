import { AppError, type StoredEvent } from '@spooled/contracts';
import type { FeedEvent } from '@spooled/event-log';
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from './channel.js';
import { Coverage } from './coverage.js';
import type { EventFilter } from './event-filter.js';
import type { Message } from './message.js';
import type { OrganizationHub } from './organization-hub.js';
import type { Outlet } from './outlet.js';
import type { Selector } from './selector.js';
import { slice, type Slice } from './transport.js';

/** Events looked at between two checks of the socket while replaying. */
const PIECE_EVENTS = 256;
const RETRY_MS = 500;

export interface ReaderLimits {
  readonly maxBufferBytes: number;
  readonly maxBufferEvents: number;
  readonly slowGraceMs: number;
  readonly replayStallMs: number;
}

export interface ReaderOptions {
  readonly hub: OrganizationHub;
  readonly outlet: Outlet;
  readonly selector: Selector;
  /** Position to begin after. */
  readonly after: number;
  /** The client asked for a position that is gone, and must be told first. */
  readonly isCursorExpired?: boolean;
  /** Said before anything else, but for the news that the client's position is gone. */
  readonly greeting?: Message;
  /** Sees every stored event that was written, in order. */
  readonly onSent?: (messages: readonly Message[]) => void;
}

interface Backfill {
  after: number;
  readonly to: number;
  readonly filter: EventFilter;
}

/**
 * One connection's place in the organization's events. A reader that stands where the hub stands is live: it sits in a
 * channel and shares the channel's writes. One that stands behind, because its client resumes, because it must first
 * replay for a new subscription, or because its socket is full, reads the feed at its own pace until it is live again.
 * So live delivery, resume and slow clients are one mechanism, and the feed is every reader's buffer.
 */
export class Reader {
  readonly #hub: OrganizationHub;
  readonly #outlet: Outlet;
  readonly #onSent: ((messages: readonly Message[]) => void) | undefined;
  #selector: Selector;
  /** Set while live. */
  #channel: Channel | undefined;
  /** Valid while not live; a live reader stands where the hub stands. */
  #position: number;
  /** Where reading goes on when the position turns out to be gone. */
  #fallback: number;
  /** Since when the present selector is in force. */
  #selectedAt: number;
  #coverage: Coverage | undefined;
  #backfills: Backfill[] = [];
  /** Upper bound of events in the socket's buffer. */
  #unsent = 0;
  /** Changes when the feed starts over; work begun before is void. */
  #generation = 0;
  #isGapPending: boolean;
  #greeting: Message | undefined;
  #isRunning = false;
  #isClosed = false;
  #slowTimer: NodeJS.Timeout | undefined;
  #wake: (() => void) | undefined;

  constructor({ hub, outlet, selector, after, isCursorExpired, greeting, onSent }: ReaderOptions) {
    this.#hub = hub;
    this.#outlet = outlet;
    this.#selector = selector;
    this.#position = after;
    this.#selectedAt = after;
    this.#fallback = hub.position;
    this.#isGapPending = isCursorExpired === true;
    this.#greeting = greeting;
    this.#onSent = onSent;
    hub.add(this);
  }

  get selector(): Selector {
    return this.#selector;
  }

  get outlet(): Outlet {
    return this.#outlet;
  }

  get position(): number {
    return this.#channel === undefined ? this.#position : this.#hub.position;
  }

  /** Begins to deliver. */
  start(): void {
    void this.#run();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#leaveChannel();
    clearTimeout(this.#slowTimer);
    this.#hub.remove(this);
    this.#wake?.();
  }

  /** From the present position on, another selector decides. */
  select(selector: Selector): void {
    if (selector.key === this.#selector.key) return;
    this.#remember();
    this.#selector = selector;
    this.#hub.noteSelected(this);
    if (this.#channel === undefined) return;
    this.#leaveChannel();
    this.start();
  }

  /**
   * Replays what passes the filter between a cursor and the present position and was not delivered on this connection
   * yet. Live events wait meanwhile. Answers false when that cannot be told any more.
   */
  replay(after: number, filter: EventFilter): boolean {
    const to = this.position;
    if (after >= to) return true;
    if (after < (this.#coverage?.forgottenTo ?? 0)) return false;
    this.#backfills.push({ after, to, filter });
    this.#leaveChannel();
    this.start();
    return true;
  }

  /** The feed starts over: what was before is gone. */
  reset(): void {
    this.#generation += 1;
    this.#leaveChannel();
    this.#backfills = [];
    this.#coverage = undefined;
    this.#position = this.#selectedAt = this.#fallback = this.#hub.position;
    this.#wake?.();
    this.announceGap();
  }

  /** Tells the client that events are missing which it cannot get any more; live events wait for that. */
  announceGap(): void {
    this.#isGapPending = true;
    this.#leaveChannel();
    this.start();
  }

  /** Hot path: the channel's newest events. */
  deliver(slices: readonly Slice[]): void {
    const { socket, isOpen } = this.#outlet;
    if (!isOpen) return;
    for (const next of slices) {
      if (socket.writableLength === 0) this.#unsent = 0;
      else if (!this.#hasRoom(next)) {
        this.#fallBehind(next.after);
        return;
      }
      socket.write(next.bytes);
      this.#unsent += next.messages.length;
      this.#onSent?.(next.messages);
    }
  }

  /** A control event: about the present only, so a full socket does without, and one that waits to be greeted. */
  tell(bytes: Buffer): void {
    if (this.#greeting === undefined) this.#say(bytes);
  }

  #say(bytes: Buffer): void {
    const { socket, isOpen } = this.#outlet;
    if (isOpen && socket.writableLength < this.#hub.limits.maxBufferBytes) socket.write(bytes);
  }

  #hasRoom({ messages, bytes }: Slice): boolean {
    const { maxBufferBytes, maxBufferEvents } = this.#hub.limits;
    return (
      this.#unsent + messages.length <= maxBufferEvents &&
      this.#outlet.socket.writableLength + bytes.length <= maxBufferBytes
    );
  }

  /** The socket's buffer is full. A burst may do that to anyone; who is not back in time is cut. */
  #fallBehind(position: number): void {
    this.#leaveChannel();
    this.#position = this.#fallback = position;
    this.#slowTimer ??= setTimeout(() => this.#cutSlow(), this.#hub.limits.slowGraceMs);
    this.start();
  }

  #cutSlow(): void {
    if (this.#isClosed) return;
    this.#hub.metrics.slowConsumers.inc();
    this.#outlet.close('slow');
    this.close();
  }

  #leaveChannel(): void {
    if (this.#channel === undefined) return;
    this.#position = this.#hub.position;
    this.#hub.leave(this.#channel, this);
    this.#channel = undefined;
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (!this.#isClosed && !this.#goLive()) await this.#step();
    } catch (error) {
      this.#hub.logger.error({ err: error }, 'a stream failed');
      this.#outlet.close('internal');
      this.close();
    } finally {
      this.#isRunning = false;
    }
  }

  #goLive(): boolean {
    if (this.#channel !== undefined) return true;
    const isBehind = this.#backfills.length > 0 || this.#position !== this.#hub.position;
    if (isBehind || this.#isGapPending || this.#outlet.socket.writableNeedDrain) return false;
    clearTimeout(this.#slowTimer);
    this.#slowTimer = undefined;
    this.#greet();
    this.#channel = this.#hub.join(this);
    // Equal, and shared: thousands ask for the same.
    this.#selector = this.#channel.selector;
    return true;
  }

  async #step(): Promise<void> {
    const [backfill] = this.#backfills;
    try {
      if (this.#isGapPending) await this.#tellGap();
      else if (this.#outlet.socket.writableNeedDrain) await this.#drained();
      else if (backfill !== undefined) await this.#backfill(backfill);
      else if (this.#position > this.#hub.position)
        await this.#pause(this.#hub.reached(this.#position));
      else await this.#catchUp();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code !== 'CURSOR_EXPIRED') {
        // The log cannot be asked now; nothing is lost by waiting, and nothing may be skipped.
        await this.#pause(delay(RETRY_MS));
        return;
      }
      if (backfill === undefined) this.#skipGap();
      else this.#backfills.shift();
      this.#isGapPending = true;
    }
  }

  /** Reads from the position to where the hub stands. */
  async #catchUp(): Promise<void> {
    const generation = this.#generation;
    const from = this.#position;
    for await (const page of this.#hub.feed.read(from, this.#hub.position)) {
      for (const piece of pieces(page)) {
        if (generation !== this.#generation) return;
        this.#greet();
        const position = this.#position;
        const events = piece.filter(({ event }) => this.#selector.matches(event));
        this.#position = lastSeq(piece);
        this.#write(events, position);
        await this.#drained();
        // A replay that was asked for meanwhile comes first: live events wait for it.
        if (this.#isClosed || this.#backfills.length > 0) return;
      }
    }
    if (this.#position === from) await this.#pause(delay(RETRY_MS));
  }

  async #backfill(backfill: Backfill): Promise<void> {
    const generation = this.#generation;
    const start = backfill.after;
    this.#hub.metrics.replays.inc();
    for await (const page of this.#hub.feed.read(start, backfill.to)) {
      for (const piece of pieces(page)) {
        if (generation !== this.#generation || this.#isClosed) return;
        const selector = this.#selector.only(backfill.filter);
        const events = piece.filter(
          ({ seq, event }) => selector.matches(event) && !this.#wasDelivered(seq, event),
        );
        const to = lastSeq(piece);
        (this.#coverage ??= new Coverage()).add(backfill.after, to, selector);
        backfill.after = to;
        this.#write(events, to);
        await this.#drained();
      }
    }
    if (backfill.after >= backfill.to) this.#backfills.shift();
    else if (backfill.after === start) await this.#pause(delay(RETRY_MS));
  }

  #write(events: readonly FeedEvent[], after: number): void {
    const { socket, transport, isOpen } = this.#outlet;
    if (!isOpen || events.length === 0) return;
    const messages = events.map((event) => this.#hub.message(event));
    let bytes = 0;
    for (const next of slice(transport, messages, after)) {
      socket.write(next.bytes);
      bytes += next.bytes.length;
      this.#onSent?.(next.messages);
      if (this.#isClosed) return;
    }
    this.#unsent = messages.length;
    this.#hub.metrics.count(transport.name, messages.length, bytes);
  }

  #wasDelivered(seq: number, event: StoredEvent): boolean {
    const isUnderPresent = seq > this.#selectedAt && seq <= this.position;
    return (
      (isUnderPresent && this.#selector.matches(event)) || this.#coverage?.has(seq, event) === true
    );
  }

  /** Closes the range of the present selector. */
  #remember(): void {
    const to = this.position;
    if (to > this.#selectedAt) {
      (this.#coverage ??= new Coverage()).add(this.#selectedAt, to, this.#selector);
    }
    this.#selectedAt = to;
  }

  /** Goes on where the connection began: what its client was promised from then on is still there. */
  #skipGap(): void {
    this.#remember();
    const next = this.#fallback > this.#position ? this.#fallback : this.#hub.position;
    this.#position = this.#selectedAt = next;
  }

  async #tellGap(): Promise<void> {
    const message = await this.#hub.gap();
    this.#isGapPending = false;
    if (!this.#isClosed) this.#sayMessage(message);
  }

  /** The position is known to be good by now, or the client was told. */
  #greet(): void {
    if (this.#greeting === undefined) return;
    this.#sayMessage(this.#greeting);
    this.#greeting = undefined;
  }

  #sayMessage(message: Message): void {
    const { transport } = this.#outlet;
    this.#say(transport.join([transport.frame(message)]));
  }

  /** Waits until the socket took what it has. A client that takes nothing at all while it is served is cut. */
  async #drained(): Promise<void> {
    const { socket } = this.#outlet;
    if (!socket.writableNeedDrain || this.#isClosed) return;
    const timer = setTimeout(() => this.#cutSlow(), this.#hub.limits.replayStallMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.once('drain', resolve);
    await this.#pause(promise);
    socket.off('drain', resolve);
    clearTimeout(timer);
  }

  /** Waits for something, or for the end. */
  async #pause(something: Promise<unknown>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await Promise.race([something, promise]);
    this.#wake = undefined;
  }
}

function* pieces(page: readonly FeedEvent[]): Generator<readonly FeedEvent[]> {
  for (let start = 0; start < page.length; start += PIECE_EVENTS) {
    yield page.slice(start, start + PIECE_EVENTS);
  }
}

function lastSeq(events: readonly FeedEvent[]): number {
  return (events.at(-1) as FeedEvent).seq;
}
