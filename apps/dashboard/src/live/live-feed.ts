import {
  AuthenticationError,
  type ConnectionState,
  type EventFeed,
  type SpooledClient,
  type SpooledEvent,
} from '@spooled/sdk';

import { Delay } from './delay.js';
import { FrameBatch } from './frames.js';
import { Store } from './store.js';

/** How the one stream of this tab stands. */
export interface Connection {
  readonly state: ConnectionState;
  /** From the server's clock at the event to the frame that shows it; undefined before the first event. */
  readonly delayMs: number | undefined;
  /** When something last arrived: what is shown is at least of then. Milliseconds since 1970. */
  readonly heardAt: number | undefined;
}

export type EventsListener = (events: readonly SpooledEvent[]) => void;

/** The mark need not change faster than anyone reads. */
const MARK_INTERVAL_MS = 1000;

/**
 * The one event stream of this tab. Events are handed out in batches, one per animation frame, in the order in which
 * they came; the cursor is kept over reconnects, so none is missed, or there is a `gap` among them.
 */
export class LiveFeed {
  readonly connection = new Store<Connection>({
    state: 'connecting',
    delayMs: undefined,
    heardAt: undefined,
  });
  readonly #listeners = new Set<EventsListener>();
  readonly #batch = new FrameBatch<SpooledEvent>((events) => this.#handOut(events));
  readonly #delay = new Delay();
  readonly #stop = new AbortController();
  #heardAt: number | undefined;
  #markedAt = 0;

  /** @param onRefused the credential is not good any more. */
  constructor(client: SpooledClient, onRefused: (error: AuthenticationError) => void) {
    const feed = client.events({
      events: [
        '*',
        'job.progress',
        'job.log',
        'queue.paused',
        'queue.resumed',
        'schedule.triggered',
      ],
      signal: this.#stop.signal,
      reconnect: { maxDelayMs: 5000 },
    });
    feed.onStateChange((state) => {
      if (state === 'live') this.#heardAt = Date.now();
      this.#mark(state);
    });
    void this.#follow(feed, onRefused);
  }

  /** Whether what happens from now on arrives. */
  get isOpen(): boolean {
    const { state } = this.connection.get();
    return state === 'live' || state === 'degraded';
  }

  /** Returns what takes the listener off again. */
  listen(listener: EventsListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#stop.abort();
  }

  async #follow(feed: EventFeed, onRefused: (error: AuthenticationError) => void): Promise<void> {
    try {
      for await (const event of feed) this.#batch.add(event);
    } catch (error) {
      if (error instanceof AuthenticationError) onRefused(error);
      else throw error;
    }
  }

  #handOut(events: readonly SpooledEvent[]): void {
    const now = Date.now();
    this.#heardAt = now;
    for (const { timestamp } of events) this.#delay.note(now - Date.parse(timestamp));
    for (const listener of this.#listeners) listener(events);
    if (now - this.#markedAt >= MARK_INTERVAL_MS) this.#mark(this.connection.get().state);
  }

  #mark(state: ConnectionState): void {
    this.#markedAt = Date.now();
    this.connection.set({ state, delayMs: this.#delay.take(), heardAt: this.#heardAt });
  }
}
