import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Principals } from '@spooled/access';
import { authRpc, type Principal } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { REALTIME_CONFIG, type RealtimeConfig } from '../config.js';
import type { Stream } from './streams.js';
import { TimerWheel } from './timer-wheel.js';

const EXPIRY_CHECK_MS = 1000;
/** Questions to the auth service under way at once. */
const MAX_ASKING = 16;

/** Streams that were opened with one credential. */
interface Entry {
  principal: Principal;
  readonly streams: Set<Stream>;
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
export class AccessWatch implements OnApplicationBootstrap {
  readonly #entries = new Map<string, Entry>();

  constructor(
    private readonly principals: Principals,
    private readonly bus: Bus,
    private readonly wheel: TimerWheel,
    @Inject(REALTIME_CONFIG) private readonly config: RealtimeConfig,
  ) {}

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
    this.bus.onReconnect(() => void this.#checkAll());
    this.wheel.every(this.config.REALTIME_ACCESS_CHECK_INTERVAL_MS, () => void this.#checkAll());
    this.wheel.every(EXPIRY_CHECK_MS, () => this.#cutExpired());
  }

  /** Watches over a stream's credential. Answers a function that ends it. */
  watch(stream: Stream): () => void {
    const { principal } = stream;
    const key = `${principal.apiKeyId} ${principal.token?.jti ?? ''}`;
    const entry = this.#entries.get(key) ?? {
      principal,
      streams: new Set(),
      isAsking: false,
      mustAskAgain: false,
    };
    this.#entries.set(key, entry);
    entry.streams.add(stream);
    return () => {
      entry.streams.delete(stream);
      if (entry.streams.size === 0 && this.#entries.get(key) === entry) this.#entries.delete(key);
    };
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
      if (!entry.mustAskAgain && current !== undefined) this.#apply(entry, current);
    } while (entry.mustAskAgain && entry.streams.size > 0);
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

  #apply(entry: Entry, current: Principal | null): void {
    if (current === null) return cut(entry);
    entry.principal = { ...entry.principal, ...current, token: entry.principal.token };
    for (const stream of [...entry.streams]) {
      const { narrowedTo, token } = stream.principal;
      stream.applyAccess({ ...current, narrowedTo, token });
    }
  }

  #cutExpired(): void {
    const now = Date.now();
    for (const entry of this.#entries.values()) {
      const { keyExpiresAt } = entry.principal;
      if (keyExpiresAt !== null && Date.parse(keyExpiresAt) <= now) cut(entry);
    }
  }
}

function cut({ streams }: Entry): void {
  for (const stream of [...streams]) stream.close('revoked');
}
