import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError, authChanged, authRpc, isTicket, type Principal } from '@spooled/contracts';
import { PrincipalResolver } from '@spooled/http';
import { Bus } from '@spooled/nats';
import { LOGGER, type Logger } from '@spooled/telemetry';
import { createHash } from 'node:crypto';
import { ExpiringMap } from './expiring-map.js';

/** A resolved credential is believed this long: revocation must take effect within five seconds. */
const FRESH_MS = 5000;
/** And this long while nobody can be asked, so that a broken bus does not stop known workers (docs/adr/0006). */
const STALE_MS = 10 * 60_000;
/** Strangers are remembered briefly, so that a loop with a wrong key does not become a loop of questions. */
const UNKNOWN_MS = 2000;
const MAX_ENTRIES = 20_000;

export interface PrincipalChange {
  readonly organizationId: string;
  /** Null: every key of the organization. */
  readonly apiKeyId: string | null;
  readonly sid?: string | undefined;
}

interface Known {
  readonly principal: Principal | null;
  readonly askedAt: number;
}

/** Whose credential it is: asked of the auth service over the bus, cached, dropped when auth says it changed. */
@Injectable()
export class Principals extends PrincipalResolver implements OnModuleInit {
  readonly #known = new ExpiringMap<Known>(MAX_ENTRIES);
  readonly #asking = new Map<string, Promise<Principal | null>>();
  readonly #listeners: ((change: PrincipalChange) => void)[] = [];
  /** Changes heard so far. */
  #changes = 0;

  constructor(
    private readonly bus: Bus,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    super();
  }

  onModuleInit(): void {
    this.bus.onHint(authChanged, ({ apiKeyId, sid }, organizationId) => {
      this.#forget({ organizationId, apiKeyId, sid });
    });
    // Changes announced while the bus was away were not heard.
    this.bus.onReconnect(() => this.#known.clear());
  }

  /** @throws AppError `SERVICE_UNAVAILABLE` when auth cannot be asked and the credential is not known. */
  async resolve(credential: string): Promise<Principal | null> {
    // A ticket is good for one use, so an answer about one is never used again.
    if (isTicket(credential)) return this.#whose(credential);
    const principal = await this.#cached(fingerprint(credential), () => this.#whose(credential));
    // A stream outlives its token, so only here, and on every use: a cached token still ends when it says.
    const isOver = principal?.token !== undefined && principal.token.expiresAt * 1000 <= Date.now();
    return isOver ? null : principal;
  }

  /** The same access as its key's record grants it now; `null` when it grants nothing any more. */
  async check(principal: Principal): Promise<Principal | null> {
    const { organizationId, apiKeyId, token } = principal;
    const current = await this.#cached(`check ${apiKeyId} ${token?.jti ?? ''}`, async () => {
      const answer = await this.bus.request(authRpc.check, {
        organizationId,
        apiKeyId,
        token: token === undefined ? null : { jti: token.jti, sid: token.sid },
      });
      // Cached with the token, so that the end of its session is recognised.
      return answer.principal === null ? null : { ...answer.principal, token };
    });
    if (current === null) return null;
    return { ...current, narrowedTo: principal.narrowedTo };
  }

  /** Hears of every change of keys, sessions and plans, right after the caches forgot them. */
  onChange(hear: (change: PrincipalChange) => void): void {
    this.#listeners.push(hear);
  }

  async #whose(credential: string): Promise<Principal | null> {
    // Longer than any that was ever issued.
    if (!authRpc.resolve.request.safeParse({ credential }).success) return null;
    return (await this.bus.request(authRpc.resolve, { credential })).principal;
  }

  async #cached(name: string, ask: () => Promise<Principal | null>): Promise<Principal | null> {
    const known = this.#known.get(name);
    const age = known === undefined ? Infinity : Date.now() - known.askedAt;
    if (known !== undefined && age < (known.principal === null ? UNKNOWN_MS : FRESH_MS)) {
      return unexpired(known.principal);
    }
    try {
      return unexpired(await this.#ask(name, ask));
    } catch (error) {
      if (!isAway(error) || known?.principal == null || age > STALE_MS) throw error;
      return unexpired(known.principal);
    }
  }

  /** Many requests with one credential share one question. */
  #ask(name: string, ask: () => Promise<Principal | null>): Promise<Principal | null> {
    const underWay = this.#asking.get(name);
    if (underWay !== undefined) return underWay;
    const askedAt = Date.now();
    const changes = this.#changes;
    const question = ask()
      .then((principal) => {
        // An answer from before a change serves who asked for it, and nobody after.
        if (changes === this.#changes) this.#known.set(name, { principal, askedAt }, STALE_MS);
        return principal;
      })
      .finally(() => {
        if (this.#asking.get(name) === question) this.#asking.delete(name);
      });
    this.#asking.set(name, question);
    return question;
  }

  #forget(change: PrincipalChange): void {
    const { organizationId, apiKeyId, sid } = change;
    this.#known.deleteWhere(
      ({ principal }) =>
        principal?.organizationId === organizationId &&
        (apiKeyId === null || principal.apiKeyId === apiKeyId) &&
        (sid === undefined || principal.token?.sid === sid),
    );
    this.#changes += 1;
    this.#asking.clear();
    for (const hear of this.#listeners) {
      try {
        hear(change);
      } catch (error) {
        this.logger.error({ err: error }, 'a listener of credential changes failed');
      }
    }
  }
}

/** Credentials themselves are not kept in memory longer than a request. */
function fingerprint(credential: string): string {
  return createHash('sha256').update(credential).digest('base64');
}

/** Expiry is checked here on every use: it needs no question. */
function unexpired(principal: Principal | null): Principal | null {
  if (principal === null) return null;
  const now = Date.now();
  if (principal.keyExpiresAt !== null && Date.parse(principal.keyExpiresAt) <= now) return null;
  return principal;
}

function isAway(error: unknown): boolean {
  return error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE';
}
