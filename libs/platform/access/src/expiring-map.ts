/** A bounded map whose entries end: the oldest make room for the newest. */
export class ExpiringMap<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly endsAt: number }>();

  constructor(private readonly maxEntries: number) {}

  get(name: string): V | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    if (entry.endsAt > Date.now()) return entry.value;
    this.#entries.delete(name);
    return undefined;
  }

  set(name: string, value: V, lifeMs: number): void {
    this.#entries.delete(name);
    this.#entries.set(name, { value, endsAt: Date.now() + lifeMs });
    if (this.#entries.size <= this.maxEntries) return;
    const oldest = this.#entries.keys().next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
  }

  deleteWhere(isUnwanted: (value: V, name: string) => boolean): void {
    for (const [name, { value }] of this.#entries)
      if (isUnwanted(value, name)) this.#entries.delete(name);
  }
}
