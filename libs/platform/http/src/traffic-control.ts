import { AppError, type Principal, type RouteAuth } from '@spooled/contracts';
import type { HttpConfig } from './http.config.js';
import { FixedWindows, TokenBuckets, type RateDecision } from './rate-limits.js';

const MINUTE_MS = 60_000;
const ADMIN_REQUESTS_PER_MINUTE = 60;

/** Every request passes here once: organizations by their plan, keys by their own limit, strangers by address. */
export class TrafficControl {
  readonly #organizations = new TokenBuckets();
  readonly #addresses = new TokenBuckets();
  readonly #windows = new FixedWindows();

  constructor(private readonly config: HttpConfig) {}

  /** @throws AppError `RATE_LIMIT_EXCEEDED` */
  admitStranger(auth: RouteAuth, ip: string): void {
    const { RATE_LIMIT_REQUESTS_PER_SECOND: rate, RATE_LIMIT_BURST_SIZE: burst } = this.config;
    const decision =
      auth === 'admin'
        ? this.#windows.take(`admin ${ip}`, ADMIN_REQUESTS_PER_MINUTE, MINUTE_MS)
        : this.#addresses.take(ip, rate, burst);
    if (!decision.isAllowed) throw refusal(decision);
  }

  /** Answers the organization's allowance for the `X-RateLimit-*` headers, allowed or not. */
  admit({ organizationId, apiKeyId, keyRateLimit, plan }: Principal): RateDecision {
    const ofOrganization = this.#organizations.take(
      organizationId,
      plan.rate_limit_requests_per_second,
      plan.rate_limit_burst,
    );
    if (keyRateLimit === null || !ofOrganization.isAllowed) return ofOrganization;
    const ofKey = this.#windows.take(`key ${apiKeyId}`, keyRateLimit, MINUTE_MS);
    return ofKey.remaining < ofOrganization.remaining || !ofKey.isAllowed ? ofKey : ofOrganization;
  }
}

export function refusal(decision: RateDecision): AppError {
  const retryAfterSecs = Math.max(1, Math.ceil(decision.retryAfterMs / 1000));
  return new AppError('RATE_LIMIT_EXCEEDED', 'Rate limit exceeded.', {
    retryAfterSecs,
    extra: {
      retry_after_secs: retryAfterSecs,
      limit: decision.limit,
      remaining: 0,
      reset_at: new Date(decision.resetAtMs).toISOString(),
    },
  });
}

export function rateHeaders(decision: RateDecision): Record<string, number> {
  return {
    'x-ratelimit-limit': decision.limit,
    'x-ratelimit-remaining': Math.max(0, decision.remaining),
    'x-ratelimit-reset': Math.ceil(decision.resetAtMs / 1000),
  };
}
