import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { authChanged, authRpc, isTicket, type Principal } from '@spooled/contracts';
import { PrincipalResolver } from '@spooled/http';
import { Bus } from '@spooled/nats';
import { LOGGER, type Logger } from '@spooled/telemetry';
import { createHash } from 'node:crypto';
import { Answers } from './answers.js';

export interface PrincipalChange {
  readonly organizationId: string;
  /** Null: every key of the organization. */
  readonly apiKeyId: string | null;
  readonly sid?: string | undefined;
}

/** Whose credential it is: asked of the auth service over the bus, cached, dropped when auth says it changed. */
@Injectable()
export class Principals extends PrincipalResolver implements OnModuleInit {
  readonly #answers = new Answers<Principal>();
  readonly #listeners: ((change: PrincipalChange) => void)[] = [];

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
    this.bus.onReconnect(() => this.#answers.forget(() => true));
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
    return unexpired(await this.#answers.get(name, ask));
  }

  #forget(change: PrincipalChange): void {
    const { organizationId, apiKeyId, sid } = change;
    this.#answers.forget(
      (principal) =>
        principal?.organizationId === organizationId &&
        (apiKeyId === null || principal.apiKeyId === apiKeyId) &&
        (sid === undefined || principal.token?.sid === sid),
    );
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
