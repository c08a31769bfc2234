import {
  eventLogRpc,
  formatCursor,
  optInEvents,
  parseCursor,
  type ControlEvent,
  type RealtimeEvent,
} from '@spooled/contracts';
import type { FeedEvent, OrganizationFeed } from '@spooled/event-log';
import type { Bus } from '@spooled/nats';
import type { Logger } from '@spooled/telemetry';
import { Channel } from './channel.js';
import { Message } from './message.js';
import type { Reader, ReaderLimits } from './reader.js';
import type { RealtimeMetrics } from './realtime-metrics.js';
import { RecentMessages } from './recent-messages.js';

export interface HubOptions {
  readonly feed: OrganizationFeed;
  readonly bus: Bus;
  readonly limits: ReaderLimits;
  readonly metrics: RealtimeMetrics;
  readonly logger: Logger;
  /** Sees every event that was handed out. */
  readonly onEvents: (events: readonly FeedEvent[]) => void;
}

/** Where a connection begins to read. */
export interface StartingPoint {
  readonly after: number;
  /** True when the client's cursor is malformed, of another epoch, or not of this log. */
  readonly isCursorExpired: boolean;
}

/** How long one answer about the oldest cursor serves everyone who lost continuity. */
const GAP_FRESH_MS = 1000;

/**
 * One organization's connections and the feed they read. Events that arrive within one turn of the event loop go out
 * together: serialised once, framed once per transport, joined once per channel.
 */
export class OrganizationHub {
  readonly feed: OrganizationFeed;
  readonly limits: ReaderLimits;
  readonly metrics: RealtimeMetrics;
  readonly logger: Logger;
  readonly #bus: Bus;
  readonly #onEvents: (events: readonly FeedEvent[]) => void;
  readonly #readers = new Set<Reader>();
  /** Those of them that get events which must be named. */
  readonly #naming = new Set<Reader>();
  readonly #channels = new Map<string, Channel>();
  readonly #unsubscribe: () => void;
  readonly #waiting: { readonly seq: number; readonly resolve: () => void }[] = [];
  readonly #messages = new RecentMessages();
  #epoch: string;
  #position: number;
  #pending: FeedEvent[] = [];
  #gap: Promise<Message> | undefined;

  constructor({ feed, bus, limits, metrics, logger, onEvents }: HubOptions) {
    this.feed = feed;
    this.limits = limits;
    this.metrics = metrics;
    this.logger = logger;
    this.#bus = bus;
    this.#onEvents = onEvents;
    this.#epoch = feed.epoch;
    this.#position = feed.position;
    this.#unsubscribe = feed.subscribe({
      onEvents: (events) => this.#receive(events),
      onReset: () => this.#reset(),
    });
  }

  get organizationId(): string {
    return this.feed.organizationId;
  }

  /** Sequence of the newest event that live readers have. */
  get position(): number {
    return this.#position;
  }

  cursor(seq: number): string {
    return formatCursor(this.#epoch, seq);
  }

  close(): void {
    this.#unsubscribe();
  }

  /** Reads a client's cursor; without one, reading begins at the present. */
  async startingPoint(lastEventId: string | undefined): Promise<StartingPoint> {
    const present = { after: this.#position, isCursorExpired: false };
    if (lastEventId === undefined || lastEventId === '') return present;
    const after = this.sequenceOf(lastEventId);
    if (after === null) return { ...present, isCursorExpired: true };
    if (after <= this.#position) return { after, isCursorExpired: false };
    // The client may have seen it on an instance that is a moment ahead of this one.
    const isReal = await this.#exists(after);
    return isReal ? { after, isCursorExpired: false } : { ...present, isCursorExpired: true };
  }

  /** The sequence a cursor names; null when it is not of this log. */
  sequenceOf(cursor: string): number | null {
    const parsed = parseCursor(cursor);
    return parsed !== null && parsed.epoch === this.#epoch ? parsed.seq : null;
  }

  /** Shared by all readers: a reconnect storm serialises and frames each event once. */
  message({ seq, event }: FeedEvent): Message {
    const known = this.#messages.get(seq);
    if (known !== undefined) return known;
    const message = new Message(event, { seq, cursor: this.cursor(seq) });
    this.#messages.add(seq, message);
    return message;
  }

  /** Resolves when live readers have the event. */
  async reached(seq: number): Promise<void> {
    if (this.#position >= seq) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ seq, resolve });
    await promise;
  }

  /** Sends a control event to everyone who should get it. */
  tell(event: ControlEvent): void {
    const message = new Message(event);
    const bytes = new Map<string, Buffer>();
    for (const reader of this.#audience(event)) {
      if (!reader.selector.matches(event)) continue;
      const { transport } = reader.outlet;
      let ready = bytes.get(transport.key);
      if (ready === undefined) {
        ready = transport.join([transport.frame(message)]);
        bytes.set(transport.key, ready);
      }
      reader.tell(ready);
    }
  }

  /** Whether anybody would get such an event. */
  wants(event: RealtimeEvent): boolean {
    for (const { selector } of this.#audience(event)) if (selector.matches(event)) return true;
    return false;
  }

  /** Whether anybody gets any of the events that must be named. */
  get hasNaming(): boolean {
    return this.#naming.size > 0;
  }

  /** The `Error` event that says events are gone, with the oldest cursor from which everything is still there. */
  gap(): Promise<Message> {
    this.metrics.cursorsExpired.inc();
    if (this.#gap === undefined) {
      this.#gap = this.#describeGap();
      setTimeout(() => {
        this.#gap = undefined;
      }, GAP_FRESH_MS).unref();
    }
    return this.#gap;
  }

  add(reader: Reader): void {
    this.#readers.add(reader);
    this.noteSelected(reader);
  }

  remove(reader: Reader): void {
    this.#readers.delete(reader);
    this.#naming.delete(reader);
  }

  /** The reader's selector is another one now. */
  noteSelected(reader: Reader): void {
    if (reader.selector.isNaming && this.#readers.has(reader)) this.#naming.add(reader);
    else this.#naming.delete(reader);
  }

  /** Puts a reader that stands where the hub stands into the channel of its kind. */
  join(reader: Reader): Channel {
    const { outlet, selector } = reader;
    const key = `${outlet.transport.key} ${selector.key}`;
    let channel = this.#channels.get(key);
    if (channel === undefined) {
      channel = new Channel(key, outlet.transport, selector);
      this.#channels.set(key, channel);
    }
    channel.readers.add(reader);
    return channel;
  }

  leave(channel: Channel, reader: Reader): void {
    channel.readers.delete(reader);
    if (channel.readers.size === 0) this.#channels.delete(channel.key);
  }

  #audience({ type }: RealtimeEvent): ReadonlySet<Reader> {
    return optInEvents.has(type) ? this.#naming : this.#readers;
  }

  #receive(events: readonly FeedEvent[]): void {
    // After the poll phase: whatever else the socket of the bus brought has arrived by then.
    if (this.#pending.length === 0) setImmediate(() => this.#flush());
    for (const event of events) this.#pending.push(event);
  }

  #flush(): void {
    const events = this.#pending;
    const last = events.at(-1);
    if (last === undefined) return;
    this.#pending = [];
    const after = this.#position;
    this.#position = last.seq;
    const messages = events.map((event) => this.message(event));
    for (const channel of this.#channels.values()) {
      const sent = channel.deliver(messages, after);
      if (sent.events > 0) this.metrics.count(channel.transport.name, sent.events, sent.bytes);
    }
    this.metrics.lag.observe(
      Math.max(0, Date.now() - Date.parse(last.event.data.timestamp)) / 1000,
    );
    this.#release();
    this.#onEvents(events);
  }

  #reset(): void {
    this.#flush();
    this.#epoch = this.feed.epoch;
    this.#position = this.feed.position;
    this.#messages.clear();
    this.#gap = undefined;
    for (const { resolve } of this.#waiting.splice(0)) resolve();
    for (const reader of [...this.#readers]) reader.reset();
  }

  #release(): void {
    for (let index = this.#waiting.length - 1; index >= 0; index -= 1) {
      const waiting = this.#waiting[index];
      if (waiting === undefined || waiting.seq > this.#position) continue;
      this.#waiting.splice(index, 1);
      waiting.resolve();
    }
  }

  async #describeGap(): Promise<Message> {
    // An event is still held from `oldest` on, and a cursor means "after this".
    const oldest = await this.feed.oldest().catch(() => undefined);
    return new Message({
      type: 'Error',
      data: {
        message: 'The cursor is not in the event log any more; events before now are missing.',
        timestamp: new Date().toISOString(),
        code: 'CURSOR_EXPIRED',
        ...(oldest === undefined ? {} : { resume_from: this.cursor(oldest - 1) }),
      },
    });
  }

  async #exists(seq: number): Promise<boolean> {
    try {
      const { epoch, positions } = await this.#bus.request(eventLogRpc.positions, {
        organizationIds: [this.organizationId],
      });
      return epoch === this.#epoch && (positions[0]?.newest ?? 0) >= seq;
    } catch {
      return false;
    }
  }
}
