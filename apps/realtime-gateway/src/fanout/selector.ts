import type { Principal, RealtimeEvent } from '@spooled/contracts';
import {
  filterKey,
  isMatchAll,
  MATCH_ALL,
  matchesFilter,
  type EventFilter,
} from './event-filter.js';

/** What bounds every delivery on a connection, whatever it subscribes to. */
export interface Bounds {
  /** Queue scope of the key and, for a browser ticket, what it is good for. */
  readonly access: Pick<Principal, 'queues' | 'narrowedTo'>;
  /** `events` and `worker_id` of the URL. */
  readonly url?: EventFilter;
  /** Job streams: events up to this transition are in the snapshot already. */
  readonly afterRev?: number;
}

/**
 * Decides which events a connection gets: inside the bounds, and matching one of the filters. Equal selectors have
 * equal keys, so that connections that ask for the same share the work of a delivery.
 */
export class Selector {
  readonly key: string;
  readonly #bounds: Bounds;
  readonly #scope: ReadonlySet<string> | null;
  readonly #fences: readonly EventFilter[];
  readonly #filters: readonly EventFilter[] | null;

  constructor(bounds: Bounds, filters: readonly EventFilter[]) {
    const { access, url = MATCH_ALL, afterRev = 0 } = bounds;
    const { queues, narrowedTo } = access;
    this.#bounds = bounds;
    this.#scope = queues.length === 0 ? null : new Set(queues);
    const ticket: EventFilter = {
      ...MATCH_ALL,
      queue: narrowedTo?.queue ?? null,
      jobId: narrowedTo?.jobId ?? null,
    };
    this.#fences = [url, ticket].filter((fence) => !isMatchAll(fence));
    this.#filters = filters.some(isMatchAll) ? null : filters;
    this.key = JSON.stringify([
      [...queues].sort(),
      this.#fences.map(filterKey),
      afterRev,
      this.#filters === null ? null : [...new Set(filters.map(filterKey))].sort(),
    ]);
  }

  matches(event: RealtimeEvent): boolean {
    return (
      this.#isInScope(event) &&
      this.#fences.every((fence) => matchesFilter(fence, event)) &&
      (this.#filters === null || this.#filters.some((filter) => matchesFilter(filter, event)))
    );
  }

  /** The same bounds with one filter alone. */
  only(filter: EventFilter): Selector {
    return new Selector(this.#bounds, [filter]);
  }

  /** A scoped key gets an event only when its queue is known and in scope. */
  #isInScope({ type, data }: RealtimeEvent): boolean {
    if (type === 'Ping' || type === 'Error' || type === 'SystemHealth') return true;
    if (this.#scope !== null && !this.#scope.has(data.queue_name)) return false;
    const { afterRev } = this.#bounds;
    return afterRev === undefined || !('rev' in data) || data.rev > afterRev;
  }
}
