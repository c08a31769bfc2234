interface Slot<T> {
  latest: T;
  isTold: boolean;
  readonly timer: NodeJS.Timeout;
}

/**
 * Thins out what changes too often to be told each time: of each key at most one value per interval, the first at once,
 * and in the end always the last one.
 */
export class Coalescer<T extends { readonly timestamp: string }> {
  readonly #slots = new Map<string, Slot<T>>();

  constructor(
    private readonly intervalMs: number,
    private readonly tell: (value: T) => void,
  ) {}

  /** How many keys had a value told within the interval, and may have a newer one held back. */
  get size(): number {
    return this.#slots.size;
  }

  has(key: string): boolean {
    return this.#slots.has(key);
  }

  /** One that is older than what is known, overtaken on its way, is dropped. */
  note(key: string, value: T): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) this.#open(key, value);
    else if (value.timestamp >= slot.latest.timestamp) {
      slot.latest = value;
      slot.isTold = false;
    }
  }

  /** Tells at once what is held back of the key, and begins a new interval. */
  flush(key: string): void {
    const slot = this.#slots.get(key);
    if (slot === undefined || slot.isTold) return;
    slot.timer.refresh();
    this.#tell(slot);
  }

  close(): void {
    for (const { timer } of this.#slots.values()) clearInterval(timer);
    this.#slots.clear();
  }

  #open(key: string, latest: T): void {
    const timer = setInterval(() => this.#turn(key), this.intervalMs).unref();
    const slot: Slot<T> = { latest, isTold: false, timer };
    this.#slots.set(key, slot);
    this.#tell(slot);
  }

  #turn(key: string): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    if (!slot.isTold) return this.#tell(slot);
    clearInterval(slot.timer);
    this.#slots.delete(key);
  }

  #tell(slot: Slot<T>): void {
    slot.isTold = true;
    this.tell(slot.latest);
  }
}
