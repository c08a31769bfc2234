import { eventNames, optInEvents, type Principal, type RealtimeEvent } from '@spooled/contracts';
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
 * Decides which events a connection gets: inside the bounds, and matching one of the filters. Events that are told on
 * demand only must also be named, by the URL or by the filter that they match. Equal selectors have equal keys, so that
 * connections that ask for the same share the work of a delivery.
 */
export class Selector {
  readonly key: string;
  readonly #bounds: Bounds;
  readonly #scope: ReadonlySet<string> | null;
  readonly #fences: readonly EventFilter[];
  readonly #filters: readonly EventFilter[] | null;
  /** Those under which events that must be named are named. */
  readonly #naming: readonly EventFilter[];

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
    this.#naming = namesOptIn(url) ? filters : filters.filter(namesOptIn);
    this.key = JSON.stringify([
      [...queues].sort(),
      this.#fences.map(filterKey),
      afterRev,
      this.#filters === null ? null : keysOf(filters),
      keysOf(this.#naming),
    ]);
  }

  /** Whether it lets any event pass that must be named. */
  get isNaming(): boolean {
    return this.#naming.length > 0;
  }

  matches(event: RealtimeEvent): boolean {
    return (
      // Unless a newer release told it.
      event.type in eventNames &&
      this.#isInScope(event) &&
      this.#fences.every((fence) => matchesFilter(fence, event)) &&
      this.#isAskedFor(event)
    );
  }

  #isAskedFor(event: RealtimeEvent): boolean {
    const filters = optInEvents.has(event.type) ? this.#naming : this.#filters;
    return filters === null || filters.some((filter) => matchesFilter(filter, event));
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

function namesOptIn({ events }: EventFilter): boolean {
  return events !== null && [...optInEvents].some((tag) => events.has(tag));
}

function keysOf(filters: readonly EventFilter[]): string[] {
  return [...new Set(filters.map(filterKey))].sort();
}
