import { Inject, Injectable } from '@nestjs/common';
import { AppError, type Principal, type RouteAuth } from '@spooled/contracts';
import { HTTP_CONFIG, type HttpConfig } from './http.config.js';
import type { RateDecision } from './rate-limits.js';
import { SharedLimits } from './shared-limits.js';

const MINUTE_MS = 60_000;
const ADMIN_REQUESTS_PER_MINUTE = 60;

/** What is said to a caller who is known: how much is left, and why not if not. */
export interface Verdict {
  /** `X-RateLimit-*`, for whatever the answer will be. */
  readonly headers: Readonly<Record<string, number | string>>;
  readonly refusal: AppError | undefined;
}

/** Every request passes here once: organizations by their plan, keys by their own limit, strangers by address. */
@Injectable()
export class TrafficControl {
  readonly #organizations;
  readonly #keys;
  readonly #addresses;
  readonly #admins;

  constructor(
    @Inject(HTTP_CONFIG) private readonly config: HttpConfig,
    private readonly limits: SharedLimits,
  ) {
    this.#organizations = limits.tokenBuckets('organization');
    this.#keys = limits.fixedWindows('key');
    this.#addresses = limits.tokenBuckets('address');
    this.#admins = limits.fixedWindows('admin');
  }

  /** @throws AppError `RATE_LIMIT_EXCEEDED`, `SERVICE_UNAVAILABLE` when limits must be shared and cannot be. */
  admitStranger(auth: RouteAuth, ip: string): void {
    if (this.#isClosed) throw closed();
    const { RATE_LIMIT_REQUESTS_PER_SECOND: rate, RATE_LIMIT_BURST_SIZE: burst } = this.config;
    const decision =
      auth === 'admin'
        ? this.#admins.take(ip, ADMIN_REQUESTS_PER_MINUTE, MINUTE_MS)
        : this.#addresses.take(ip, rate, burst);
    if (!decision.isAllowed) throw refusal(decision);
  }

  /** Counts a request of a known caller. Of the two limits of a key the one with less left is told. */
  admit({ organizationId, apiKeyId, keyRateLimit, plan }: Principal): Verdict {
    const { rate_limit_requests_per_second: rate, rate_limit_burst: burst } = plan;
    if (this.#isClosed) {
      return {
        headers: rateHeaders(this.#organizations.look(organizationId, rate, burst), 'organization'),
        refusal: closed(),
      };
    }
    if (keyRateLimit === null) {
      return verdict(this.#organizations.take(organizationId, rate, burst), 'organization');
    }
    // A key over its own limit must not use up what its organization's other keys need, nor the other way round.
    if (!this.#keys.look(apiKeyId, keyRateLimit, MINUTE_MS).isAllowed) {
      return verdict(this.#keys.take(apiKeyId, keyRateLimit, MINUTE_MS), 'api_key');
    }
    const ofOrganization = this.#organizations.take(organizationId, rate, burst);
    if (!ofOrganization.isAllowed) return verdict(ofOrganization, 'organization');
    const ofKey = this.#keys.take(apiKeyId, keyRateLimit, MINUTE_MS);
    return ofKey.remaining < ofOrganization.remaining
      ? verdict(ofKey, 'api_key')
      : verdict(ofOrganization, 'organization');
  }

  get #isClosed(): boolean {
    return this.config.RATE_LIMIT_FAIL_CLOSED && !this.limits.isShared;
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

/** What the told limit is counted against. */
type RateScope = 'organization' | 'api_key';

function verdict(decision: RateDecision, scope: RateScope): Verdict {
  return {
    headers: rateHeaders(decision, scope),
    refusal: decision.isAllowed ? undefined : refusal(decision),
  };
}

function rateHeaders(
  { limit, remaining, resetAtMs }: RateDecision,
  scope: RateScope,
): Record<string, number | string> {
  return {
    'x-ratelimit-limit': limit,
    'x-ratelimit-remaining': remaining,
    'x-ratelimit-reset': Math.ceil(resetAtMs / 1000),
    'x-ratelimit-scope': scope,
  };
}

function closed(): AppError {
  return new AppError('SERVICE_UNAVAILABLE', 'Limits cannot be kept at the moment.', {
    retryAfterSecs: 1,
  });
}
