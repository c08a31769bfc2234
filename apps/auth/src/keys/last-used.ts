import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { KeyRepository } from './store/key.repository.js';

const MINUTE_MS = 60_000;
const FLUSH_EVERY_MS = 2000;
const BATCH = 500;

interface UsedKey {
  readonly organizationId: string;
  readonly id: string;
}

/** Gathers which keys are used and writes it down apart from the requests, at most once a minute for each key. */
@Injectable()
export class LastUsed implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #notedAt = new Map<string, number>();
  readonly #pending = new Map<string, UsedKey>();
  readonly #loop: Loop;

  constructor(
    private readonly keys: KeyRepository,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    const step = () => this.step();
    this.#loop = new Loop({ name: 'auth.last-used', step, logger, metrics });
  }

  onApplicationBootstrap(): void {
    this.#loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
    // What is lost when the database is away is a minute's accuracy.
    await this.#flush().catch(() => undefined);
  }

  note(organizationId: string, id: string, now = Date.now()): void {
    if (now - (this.#notedAt.get(id) ?? 0) < MINUTE_MS) return;
    this.#notedAt.set(id, now);
    this.#pending.set(id, { organizationId, id });
  }

  async step(): Promise<number> {
    const now = Date.now();
    for (const [id, notedAt] of this.#notedAt) {
      if (now - notedAt >= MINUTE_MS) this.#notedAt.delete(id);
    }
    await this.#flush();
    return FLUSH_EVERY_MS;
  }

  async #flush(): Promise<void> {
    while (this.#pending.size > 0) {
      const batch = [...this.#pending.values()].slice(0, BATCH);
      await this.keys.touch(batch);
      for (const { id } of batch) this.#pending.delete(id);
    }
  }
}
