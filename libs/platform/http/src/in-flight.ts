import { AppError } from '@spooled/contracts';

const TIMEOUT_MS = 30_000;
const TICK_MS = 1000;

interface Entry {
  readonly startedAt: number;
  readonly expire: (error: AppError) => void;
}

/** Requests under way. One timer for all of them ends those that take longer than 30 s with 408. */
export class InFlight {
  readonly #entries = new Set<Entry>();
  #timer: NodeJS.Timeout | undefined;

  /** Races the work against the limit. */
  async limit<T>(work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const entry: Entry = { startedAt: Date.now(), expire: reject };
    this.#entries.add(entry);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
    try {
      return await Promise.race([work, promise]);
    } finally {
      this.#entries.delete(entry);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const oldest = Date.now() - TIMEOUT_MS;
    for (const entry of this.#entries) {
      if (entry.startedAt > oldest) return;
      entry.expire(new AppError('REQUEST_TIMEOUT'));
    }
  }
}
