import { AppError } from '@spooled/contracts';
import { ExpiringMap } from './expiring-map.js';

/** An answer is believed this long: a change must take effect within five seconds, whoever missed the hint. */
const FRESH_MS = 5000;
/** And this long while nobody can be asked, so that a broken bus does not stop known workers (docs/adr/0006). */
const STALE_MS = 10 * 60_000;
/** That there is none is remembered briefly, so that a loop with a wrong key does not become a loop of questions. */
const NONE_MS = 2000;
const MAX_ENTRIES = 20_000;

interface Known<V> {
  readonly value: V | null;
  readonly askedAt: number;
}

/** What auth answered, by name; `null` means that there is no such thing. Bounded, the oldest make room. */
export class Answers<V> {
  readonly #known = new ExpiringMap<Known<V>>(MAX_ENTRIES);
  readonly #asking = new Map<string, Promise<V | null>>();
  /** Times that something was forgotten. */
  #changes = 0;

  /**
   * The answer remembered under a name, or a new one. Calls of one moment share one question.
   * @throws AppError `SERVICE_UNAVAILABLE` when nobody can be asked and nothing is remembered.
   */
  async get(name: string, ask: () => Promise<V | null>): Promise<V | null> {
    const known = this.#known.get(name);
    const age = known === undefined ? Infinity : Date.now() - known.askedAt;
    if (known !== undefined && age < (known.value === null ? NONE_MS : FRESH_MS)) {
      return known.value;
    }
    try {
      return await this.#ask(name, ask);
    } catch (error) {
      if (!isAway(error) || known?.value == null || age > STALE_MS) throw error;
      return known.value;
    }
  }

  /** Drops what is unwanted. An answer under way serves who asked for it, and nobody after. */
  forget(isUnwanted: (value: V | null, name: string) => boolean): void {
    this.#known.deleteWhere(({ value }, name) => isUnwanted(value, name));
    this.#changes += 1;
    this.#asking.clear();
  }

  #ask(name: string, ask: () => Promise<V | null>): Promise<V | null> {
    const underWay = this.#asking.get(name);
    if (underWay !== undefined) return underWay;
    const askedAt = Date.now();
    const changes = this.#changes;
    const question = ask()
      .then((value) => {
        if (changes === this.#changes) this.#known.set(name, { value, askedAt }, STALE_MS);
        return value;
      })
      .finally(() => {
        if (this.#asking.get(name) === question) this.#asking.delete(name);
      });
    this.#asking.set(name, question);
    return question;
  }
}

function isAway(error: unknown): boolean {
  return error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE';
}
