import {
  Inject,
  Injectable,
  Optional,
  type BeforeApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { MAX_NAMES_PER_TELL, trafficTold, type TrafficTold } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { FixedWindows, TokenBuckets, type LimiterEvents } from './rate-limits.js';

/** How often the others are told, in milliseconds, while there is something to tell. */
const TELL_EVERY_MS = 100;
/** And how often at most, while an allowance runs short. */
const TELL_GAP_MS = 10;

/**
 * Limits that all processes of all services keep together. Each decides alone and at once, tells the others on the bus
 * what it let through, and counts what they tell as its own (docs/adr/0012). While the bus is away each limits alone; a
 * process without one has nobody to share with.
 */
@Injectable()
export class SharedLimits implements OnModuleInit, BeforeApplicationShutdown {
  readonly #buckets = new Map<string, TokenBuckets>();
  readonly #windows = new Map<string, FixedWindows>();
  readonly #loop: Loop;
  readonly #refusals;
  readonly #messages;
  #toldAt = performance.now();
  #isHurrying = false;

  constructor(
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
    @Optional() private readonly bus?: Bus,
  ) {
    this.#refusals = metrics.counter({
      name: 'spooled_rate_limit_refusals_total',
      help: 'Requests that were refused, by the limit that refused them.',
      labelNames: ['limit'],
    });
    this.#messages = metrics.counter({
      name: 'spooled_rate_limit_messages_total',
      help: 'Messages by which processes share their limits.',
      labelNames: ['direction'],
    });
    this.#loop = new Loop({ name: 'http.limits', step: () => this.#step(), logger, metrics });
  }

  /** Whether the other processes hear of what is let through here. */
  get isShared(): boolean {
    return this.bus?.isConnected ?? true;
  }

  onModuleInit(): void {
    if (this.bus === undefined) return;
    this.bus.onBroadcast(trafficTold, (told) => this.#hear(told));
    this.#loop.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.#loop.stop();
  }

  /** The token buckets of a kind of name, such as `organization`; the same for everyone who asks. */
  tokenBuckets(kind: string): TokenBuckets {
    return known(this.#buckets, kind, () => new TokenBuckets(this.#events(kind)));
  }

  /** The fixed windows of a kind of name, such as `login`; names are ids, addresses or hashes, never a secret. */
  fixedWindows(kind: string): FixedWindows {
    return known(this.#windows, kind, () => new FixedWindows(this.#events(kind)));
  }

  #events(kind: string): LimiterEvents {
    const refusals = this.#refusals.labels({ limit: kind });
    return { refused: () => refusals.inc(), tight: () => this.#hurry() };
  }

  #hurry(): void {
    if (this.#isHurrying) return;
    this.#isHurrying = true;
    this.#loop.wake();
  }

  async #step(): Promise<number> {
    const sinceMs = performance.now() - this.#toldAt;
    if (sinceMs < TELL_GAP_MS) return TELL_GAP_MS - sinceMs;
    this.#toldAt += sinceMs;
    this.#isHurrying = false;
    this.#tell();
    return TELL_EVERY_MS;
  }

  /** What nobody can hear is not kept for later: most of it has been refilled by then. */
  #tell(): void {
    const buckets = [...this.#buckets].map(([kind, of]) => [kind, of.takeUntold()] as const);
    const windows = [...this.#windows].map(([kind, of]) => [kind, of.takeUntold()] as const);
    const longest = Math.max(0, ...[...buckets, ...windows].map(([, lines]) => lines.length));
    for (let from = 0; from < longest; from += MAX_NAMES_PER_TELL) {
      const told = { buckets: part(buckets, from), windows: part(windows, from) };
      if (this.bus?.broadcast(trafficTold, told)) this.#messages.inc({ direction: 'sent' });
    }
  }

  #hear({ buckets, windows }: TrafficTold): void {
    this.#messages.inc({ direction: 'received' });
    for (const [kind, lines] of Object.entries(buckets)) {
      for (const line of lines) this.#buckets.get(kind)?.hear(line);
    }
    for (const [kind, lines] of Object.entries(windows)) {
      for (const line of lines) this.#windows.get(kind)?.hear(line);
    }
  }
}

type Lines<T> = readonly (readonly [kind: string, lines: readonly T[]])[];

/** The share of one message: a bounded number of lines of each kind. */
function part<T>(all: Lines<T>, from: number): Record<string, T[]> {
  return Object.fromEntries(
    all
      .filter(([, lines]) => lines.length > from)
      .map(([kind, lines]) => [kind, lines.slice(from, from + MAX_NAMES_PER_TELL)]),
  );
}

function known<T>(all: Map<string, T>, kind: string, make: () => T): T {
  const limiter = all.get(kind) ?? make();
  all.set(kind, limiter);
  return limiter;
}
