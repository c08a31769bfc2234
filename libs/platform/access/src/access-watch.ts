import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { authRpc, type Principal } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { ACCESS_CONFIG, type AccessConfig } from './access.config.js';
import { Principals } from './principals.js';

const EXPIRY_CHECK_MS = 1000;
/** Questions to the auth service under way at once. */
const MAX_ASKING = 16;

/** Something that stays open on the strength of a credential. */
export interface Watched {
  readonly principal: Principal;
  /** The credential's record as it is now. */
  applyAccess(principal: Principal): void;
  /** The credential gives no access any more. */
  revoke(): void;
}

/** What was opened with one credential. */
interface Entry {
  readonly key: string;
  principal: Principal;
  readonly watched: Set<Watched>;
  isAsking: boolean;
  /** Something changed while the question was under way, so its answer may be old. */
  mustAskAgain: boolean;
}

/**
 * Keeps open streams as far as their credential reaches now: revoked, expired or orphaned ones are cut, narrowed ones
 * filtered at once. Told by auth's change hints; asking again on a period covers for a lost hint. One question per
 * credential, however many streams it has. A token that merely reaches its `exp` stays.
 */
@Injectable()
export class AccessWatch implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #entries = new Map<string, Entry>();
  readonly #loop: Loop;
  #expiryTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly principals: Principals,
    private readonly bus: Bus,
    @Inject(ACCESS_CONFIG) config: AccessConfig,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({
      name: 'access.watch',
      step: async () => {
        await this.#checkAll();
        return config.ACCESS_CHECK_INTERVAL_MS;
      },
      logger,
      metrics,
    });
  }

  onApplicationBootstrap(): void {
    this.principals.onChange(({ organizationId, apiKeyId, sid }) => {
      for (const entry of this.#entries.values()) {
        const { principal } = entry;
        const isMeant =
          principal.organizationId === organizationId &&
          (apiKeyId === null || principal.apiKeyId === apiKeyId) &&
          (sid === undefined || principal.token?.sid === sid);
        if (isMeant) void this.#check(entry);
      }
    });
    this.bus.onReconnect(() => this.#loop.wake());
    this.#loop.start();
    this.#expiryTimer = setInterval(() => this.#cutExpired(), EXPIRY_CHECK_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#expiryTimer);
    await this.#loop.stop();
  }

  /** Watches over a stream's credential. Answers a function that ends it. */
  watch(watched: Watched): () => void {
    const { principal } = watched;
    const key = `${principal.apiKeyId} ${principal.token?.jti ?? ''}`;
    const entry: Entry = this.#entries.get(key) ?? {
      key,
      principal,
      watched: new Set(),
      isAsking: false,
      mustAskAgain: false,
    };
    this.#entries.set(key, entry);
    entry.watched.add(watched);
    return () => {
      entry.watched.delete(watched);
      if (entry.watched.size === 0) this.#drop(entry);
    };
  }

  #drop(entry: Entry): void {
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
  }

  async #checkAll(): Promise<void> {
    const queue = [...this.#entries.values()].values();
    const worker = async (): Promise<void> => {
      for (const entry of queue) await this.#check(entry);
    };
    await Promise.all(Array.from({ length: MAX_ASKING }, worker));
  }

  async #check(entry: Entry): Promise<void> {
    if (entry.isAsking) {
      entry.mustAskAgain = true;
      return;
    }
    entry.isAsking = true;
    do {
      entry.mustAskAgain = false;
      const current = await this.#ask(entry.principal);
      if (!entry.mustAskAgain && current !== undefined) apply(entry, current);
    } while (entry.mustAskAgain && entry.watched.size > 0);
    entry.isAsking = false;
  }

  /** Asks auth itself, not the cache: the period is the promise. Undefined = nobody can tell now, so nothing changes. */
  async #ask({
    organizationId,
    apiKeyId,
    token,
  }: Principal): Promise<Principal | null | undefined> {
    try {
      const { principal } = await this.bus.request(authRpc.check, {
        organizationId,
        apiKeyId,
        token: token === undefined ? null : { jti: token.jti, sid: token.sid },
      });
      return principal;
    } catch {
      return undefined;
    }
  }

  #cutExpired(): void {
    const now = Date.now();
    for (const entry of this.#entries.values()) {
      const { keyExpiresAt } = entry.principal;
      if (keyExpiresAt !== null && Date.parse(keyExpiresAt) <= now) revokeAll(entry);
    }
  }
}

function apply(entry: Entry, current: Principal | null): void {
  if (current === null) return revokeAll(entry);
  entry.principal = { ...entry.principal, ...current, token: entry.principal.token };
  for (const watched of [...entry.watched]) {
    const { narrowedTo, token } = watched.principal;
    watched.applyAccess({ ...current, narrowedTo, token });
  }
}

function revokeAll({ watched }: Entry): void {
  for (const each of [...watched]) each.revoke();
}
