import type { SpooledEvent } from '@spooled/sdk';

import type { LiveFeed } from './live-feed.js';
import { Store } from './store.js';

/** An event of the log, as the live list shows it. */
export type LogEvent = Extract<SpooledEvent, { id: string }>;

/** What happened within one second. */
export interface Second {
  /** Unix seconds. */
  readonly at: number;
  created: number;
  started: number;
  completed: number;
  failed: number;
  /** Milliseconds from claim to completion, of at most `MAX_SAMPLES` jobs. */
  readonly durations: number[];
  /** Jobs pending and scheduled, by queue, at its end; a queue that was never told of is missing. */
  depths: ReadonlyMap<string, number>;
}

const MAX_RECENT = 500;
/** A list that changes faster is not read better, and every change of it costs a frame. */
const RECENT_INTERVAL_MS = 100;
const HISTORY_SECONDS = 900;
const MAX_SAMPLES = 200;

/** What this tab has seen happen since it was signed in: the newest events, and the last quarter of an hour by the second. */
export class Activity {
  /** Newest first. */
  readonly recent = new Store<readonly LogEvent[]>([]);
  /** Oldest first, one entry for every second. A new array once a second. */
  readonly history = new Store<readonly Second[]>([]);
  readonly #depths = new Map<string, number>();
  readonly #timer = setInterval(() => this.#nextSecond(), 1000);
  readonly #off: () => void;
  #waiting: readonly LogEvent[] = [];
  #publishing: ReturnType<typeof setTimeout> | undefined;
  #current = second(this.#depths);

  constructor(feed: LiveFeed) {
    this.#off = feed.listen((events) => this.#note(events));
  }

  /** What a snapshot says of a queue that no event has told of yet. */
  noteDepth(queueName: string, depth: number): void {
    if (!this.#depths.has(queueName)) this.#depths.set(queueName, depth);
  }

  close(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#publishing);
    this.#off();
  }

  #note(events: readonly SpooledEvent[]): void {
    const logged: LogEvent[] = [];
    for (const event of events) {
      if (event.id !== undefined) logged.push(event);
      this.#count(event);
    }
    if (logged.length === 0) return;
    this.#waiting = [...logged.reverse(), ...this.#waiting].slice(0, MAX_RECENT);
    this.#publishing ??= setTimeout(() => this.#publish(), RECENT_INTERVAL_MS);
  }

  #publish(): void {
    this.#publishing = undefined;
    this.recent.set([...this.#waiting, ...this.recent.get()].slice(0, MAX_RECENT));
    this.#waiting = [];
  }

  #count(event: SpooledEvent): void {
    const current = this.#current;
    switch (event.type) {
      case 'job.created':
        current.created += 1;
        break;
      case 'job.status':
        if (event.data.newStatus === 'processing') current.started += 1;
        break;
      case 'job.completed':
        current.completed += 1;
        if (current.durations.length < MAX_SAMPLES) current.durations.push(event.data.durationMs);
        break;
      case 'job.failed':
        current.failed += 1;
        break;
      case 'queue.stats':
        this.#depths.set(event.data.queueName, event.data.pending);
        break;
      default:
    }
  }

  #nextSecond(): void {
    this.#current.depths = new Map(this.#depths);
    this.history.set([...this.history.get(), this.#current].slice(-HISTORY_SECONDS));
    this.#current = second(this.#depths);
  }
}

function second(depths: ReadonlyMap<string, number>): Second {
  return {
    at: Math.floor(Date.now() / 1000),
    created: 0,
    started: 0,
    completed: 0,
    failed: 0,
    durations: [],
    depths,
  };
}
