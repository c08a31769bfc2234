import { filterKey, isMatchAll, type EventFilter } from './event-filter.js';

/** A connection cannot make us match every event against more than this. */
const MAX_FILTERS = 1000;

interface Copies {
  readonly filter: EventFilter;
  count: number;
}

/**
 * The subscriptions of one connection, copies counted: dashboards subscribe to everything once per panel and give the
 * panels up one by one. The filter of the URL counts as subscribed once. Without any subscription the connection is in
 * its default state: everything that the URL filter allows.
 */
export class FilterSet {
  /** Made with the first one: most connections never subscribe. */
  #copies: Map<string, Copies> | undefined;
  readonly #urlFilter: EventFilter;
  #size = 0;

  constructor(urlFilter: EventFilter) {
    this.#urlFilter = urlFilter;
    if (!isMatchAll(urlFilter)) this.add(urlFilter);
  }

  get isFull(): boolean {
    return this.#size >= MAX_FILTERS;
  }

  add(filter: EventFilter): void {
    const key = filterKey(filter);
    const copies = (this.#copies ??= new Map<string, Copies>());
    const known = copies.get(key);
    if (known === undefined) copies.set(key, { filter, count: 1 });
    else known.count += 1;
    this.#size += 1;
  }

  /** Removes one copy; removing what is not there changes nothing. */
  remove(filter: EventFilter): void {
    const key = filterKey(filter);
    const known = this.#copies?.get(key);
    if (known === undefined) return;
    known.count -= 1;
    this.#size -= 1;
    if (known.count === 0) this.#copies?.delete(key);
  }

  /** Filters of which an event must match one. */
  active(): readonly EventFilter[] {
    if (this.#copies === undefined || this.#copies.size === 0) return [this.#urlFilter];
    return [...this.#copies.values()].map(({ filter }) => filter);
  }
}
