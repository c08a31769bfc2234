import type { TrafficTold } from '@spooled/contracts';
import { Ledger, type Entry } from './ledger.js';

/** How a limiter decided, and what the `X-RateLimit-*` headers say about it. */
export interface RateDecision {
  readonly isAllowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** When a full allowance is there again, in unix milliseconds. */
  readonly resetAtMs: number;
  /** When one more request will be allowed, in milliseconds from now; 0 when it is. */
  readonly retryAfterMs: number;
}

/** What a limiter tells its owner. */
export interface LimiterEvents {
  /** A request was refused. */
  readonly refused: () => void;
  /** An allowance runs short while the other processes do not know. */
  readonly tight: () => void;
}

type BucketTold = TrafficTold['buckets'][string][number];
type WindowTold = TrafficTold['windows'][string][number];

const NOBODY_LISTENS: LimiterEvents = { refused: () => undefined, tight: () => undefined };
/** Tokens per second, about one a day: slower, the time of the next one would be no date any more. */
const SLOWEST_RATE = 1e-5;
/** How old what the others tell may be, in milliseconds: they tell every 100, and it travels. */
const LATE_MS = 120;
/** Sums of fractions miss a whole token by less than this. */
const EPSILON = 1e-9;

interface Bucket extends Entry {
  /** Tokens taken and not refilled yet. More than the capacity when several processes let through at once. */
  used: number;
  /** Refill that a full bucket had no room for lately: it belongs to what was let through elsewhere and is told late. */
  spare: number;
  at: number;
  ratePerSecond: number;
  capacity: number;
}

/** Token buckets by name, each with a rate (per second) and a capacity that may change with every request. */
export class TokenBuckets {
  readonly #ledger: Ledger<Bucket>;

  constructor(private readonly events = NOBODY_LISTENS) {
    this.#ledger = new Ledger(events.tight);
  }

  take(name: string, ratePerSecond: number, capacity: number, now = Date.now()): RateDecision {
    const bucket = this.#refilled(name, ratePerSecond, capacity, now);
    const isAllowed = hasToken(bucket);
    if (isAllowed) {
      bucket.used += 1;
      this.#ledger.count(bucket, capacity - bucket.used);
    } else this.events.refused();
    return ofBucket(bucket, isAllowed);
  }

  /** What `take` would decide. */
  look(name: string, ratePerSecond: number, capacity: number, now = Date.now()): RateDecision {
    const bucket = this.#refilled(name, ratePerSecond, capacity, now);
    return ofBucket(bucket, hasToken(bucket));
  }

  takeUntold(): BucketTold[] {
    return this.#ledger.takeUntold(({ name, untold, ratePerSecond, capacity }) => [
      name,
      untold,
      ratePerSecond,
      capacity,
    ]);
  }

  /** Another process let requests through a moment ago. */
  hear([name, taken, ratePerSecond, capacity]: BucketTold, now = Date.now()): void {
    const bucket = this.#refilled(name, ratePerSecond, capacity, now);
    const paid = Math.min(bucket.spare, taken);
    bucket.spare -= paid;
    bucket.used = bounded(bucket.used + taken - paid, capacity);
  }

  #refilled(name: string, givenRate: number, capacity: number, now: number): Bucket {
    const ratePerSecond = Math.max(givenRate, SLOWEST_RATE);
    const mostSpare = (ratePerSecond * LATE_MS) / 1000;
    const bucket = this.#ledger.find(name);
    if (bucket === undefined) {
      const full = { name, untold: 0, used: 0, spare: mostSpare, at: now, ratePerSecond, capacity };
      this.#ledger.keep(full);
      return full;
    }
    // The clock may be set back.
    const refill = (Math.max(0, now - bucket.at) / 1000) * ratePerSecond;
    const used = bounded(bucket.used, capacity) - refill;
    bucket.used = Math.max(0, used);
    bucket.spare = Math.min(mostSpare, bucket.spare + bucket.used - used);
    bucket.at = now;
    bucket.ratePerSecond = ratePerSecond;
    bucket.capacity = capacity;
    return bucket;
  }
}

/** Late news, or a smaller plan, may make somebody wait for one refill of the bucket, and never longer. */
function bounded(used: number, capacity: number): number {
  return Math.min(used, 2 * capacity);
}

function hasToken({ used, capacity }: Bucket): boolean {
  return capacity - used >= 1 - EPSILON;
}

function ofBucket({ used, at, ratePerSecond, capacity }: Bucket, isAllowed: boolean): RateDecision {
  return {
    isAllowed,
    limit: capacity,
    remaining: Math.max(0, Math.floor(capacity - used + EPSILON)),
    resetAtMs: at + (used / ratePerSecond) * 1000,
    retryAfterMs: isAllowed ? 0 : ((used + 1 - capacity) / ratePerSecond) * 1000,
  };
}

interface Window extends Entry {
  count: number;
  readonly endsAtMs: number;
}

/**
 * Fixed windows by name: at most `limit` in each `windowMs`. They are aligned to the wall clock, so that every process
 * means the same one.
 */
export class FixedWindows {
  readonly #ledger: Ledger<Window>;

  constructor(private readonly events = NOBODY_LISTENS) {
    this.#ledger = new Ledger(events.tight);
  }

  take(name: string, limit: number, windowMs: number, now = Date.now()): RateDecision {
    const window = this.#current(name, now - (now % windowMs) + windowMs);
    const isAllowed = window.count < limit;
    if (isAllowed) {
      window.count += 1;
      this.#ledger.count(window, limit - window.count);
    } else this.events.refused();
    return ofWindow(window, limit, isAllowed, now);
  }

  /** What `take` would decide. */
  look(name: string, limit: number, windowMs: number, now = Date.now()): RateDecision {
    const window = this.#current(name, now - (now % windowMs) + windowMs);
    return ofWindow(window, limit, window.count < limit, now);
  }

  takeUntold(): WindowTold[] {
    return this.#ledger.takeUntold(({ name, untold, endsAtMs }) => [name, untold, endsAtMs]);
  }

  /** Another process let requests through in the window that ends at an instant. */
  hear([name, taken, endsAtMs]: WindowTold, now = Date.now()): void {
    if (endsAtMs <= now) return;
    const known = this.#ledger.find(name);
    // A window that has not begun by our clock would replace the one that counts.
    if (known !== undefined && known.endsAtMs > now && known.endsAtMs !== endsAtMs) return;
    this.#current(name, endsAtMs).count += taken;
  }

  #current(name: string, endsAtMs: number): Window {
    const known = this.#ledger.find(name);
    if (known?.endsAtMs === endsAtMs) return known;
    const window = { name, untold: 0, count: 0, endsAtMs };
    this.#ledger.keep(window);
    return window;
  }
}

function ofWindow(
  { count, endsAtMs }: Window,
  limit: number,
  isAllowed: boolean,
  now: number,
): RateDecision {
  return {
    isAllowed,
    limit,
    remaining: Math.max(0, limit - count),
    resetAtMs: endsAtMs,
    retryAfterMs: isAllowed ? 0 : endsAtMs - now,
  };
}
