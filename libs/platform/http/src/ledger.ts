import { MAX_LIMITED_NAME_CHARS } from '@spooled/contracts';

/** What a limiter keeps of one name. */
export interface Entry {
  readonly name: string;
  /** Requests let through here that the other processes were not told of yet. */
  untold: number;
}

/** Names kept in memory, per kind of limit: a flood of names must not eat the memory. */
const MAX_NAMES = 50_000;
/** The others hear early when this share of what is left of an allowance was used and not told. */
const TIGHT_SHARE = 1 / 4;

/**
 * The entries of a limiter by name, and which of them have something to tell. Bounded by two generations: the young
 * one turns old when it is full, and what nobody used while the next one grew is forgotten. So a lookup costs one
 * look, not the reordering of a list by use.
 */
export class Ledger<E extends Entry> {
  #young = new Map<string, E>();
  #old = new Map<string, E>();
  #untold: E[] = [];

  /** @param hurry Called when an allowance runs short while the others do not know. */
  constructor(private readonly hurry: () => void) {}

  find(name: string): E | undefined {
    const entry = this.#young.get(name);
    if (entry !== undefined) return entry;
    const old = this.#old.get(name);
    if (old !== undefined) this.keep(old);
    return old;
  }

  keep(entry: E): void {
    if (this.#young.size >= MAX_NAMES / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(entry.name, entry);
  }

  /** One more request was let through; `left` are those that may still follow. */
  count(entry: E, left: number): void {
    if (entry.untold === 0) {
      // What cannot be told is limited here alone. And if nobody fetches it: rather let too much through than keep it.
      if (entry.name.length > MAX_LIMITED_NAME_CHARS || this.#untold.length >= MAX_NAMES) return;
      this.#untold.push(entry);
    }
    entry.untold += 1;
    if (entry.untold >= left * TIGHT_SHARE) this.hurry();
  }

  /** What was not told yet; it counts as told from here on. */
  takeUntold<T>(written: (entry: E) => T): T[] {
    const told = this.#untold.map((entry) => {
      const line = written(entry);
      entry.untold = 0;
      return line;
    });
    this.#untold = [];
    return told;
  }
}
