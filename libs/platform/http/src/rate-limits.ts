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

/** Limiters kept before the idlest ones are forgotten: a flood of names must not eat the memory. */
const MAX_NAMES = 50_000;

/** Token buckets by name, each with a rate (per second) and a capacity. In memory of this process. */
export class TokenBuckets {
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  take(name: string, ratePerSecond: number, capacity: number, now = Date.now()): RateDecision {
    const bucket = this.#buckets.get(name) ?? { tokens: capacity, at: now };
    remember(this.#buckets, name, bucket);
    const refilled = bucket.tokens + ((now - bucket.at) / 1000) * ratePerSecond;
    bucket.tokens = Math.min(capacity, refilled);
    bucket.at = now;
    const isAllowed = bucket.tokens >= 1;
    if (isAllowed) bucket.tokens -= 1;
    return {
      isAllowed,
      limit: capacity,
      remaining: Math.floor(bucket.tokens),
      resetAtMs: now + ((capacity - bucket.tokens) / ratePerSecond) * 1000,
      retryAfterMs: isAllowed ? 0 : ((1 - bucket.tokens) / ratePerSecond) * 1000,
    };
  }
}

/** Fixed windows by name: at most `limit` in each `windowMs`. In memory of this process. */
export class FixedWindows {
  readonly #windows = new Map<string, { count: number; endsAt: number }>();

  take(name: string, limit: number, windowMs: number, now = Date.now()): RateDecision {
    let window = this.#windows.get(name);
    if (window === undefined || window.endsAt <= now) {
      window = { count: 0, endsAt: now + windowMs };
    }
    remember(this.#windows, name, window);
    const isAllowed = window.count < limit;
    if (isAllowed) window.count += 1;
    return {
      isAllowed,
      limit,
      remaining: limit - window.count,
      resetAtMs: window.endsAt,
      retryAfterMs: isAllowed ? 0 : window.endsAt - now,
    };
  }
}

/** The map's order is that of last use. */
function remember<V>(map: Map<string, V>, name: string, value: V): void {
  map.delete(name);
  map.set(name, value);
  if (map.size <= MAX_NAMES) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
