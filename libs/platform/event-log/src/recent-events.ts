import type { FeedEvent } from './organization-feed.js';

/** Kept per organization, so that a reconnect storm is served from memory. */
const MAX_EVENTS = 4096;
const MAX_BYTES = 4 * 1024 * 1024;
/** Of an event without what its job brought: ids, names, an instant. */
const USUAL_BYTES = 300;

/** The newest events of one organization, dense. */
export class RecentEvents {
  #events: FeedEvent[] = [];
  #bytes = 0;

  push(events: readonly FeedEvent[]): void {
    for (const entry of events) {
      this.#events.push(entry);
      this.#bytes += sizeOf(entry);
    }
    // Cut seldom and by half, so that a push costs nothing on the average.
    if (this.#events.length > 2 * MAX_EVENTS || this.#bytes > 2 * MAX_BYTES) this.#cut();
  }

  /** Events with `after < seq <= to`, or undefined when memory does not reach back that far. */
  between(after: number, to: number): readonly FeedEvent[] | undefined {
    const [first] = this.#events;
    const last = this.#events.at(-1);
    if (first === undefined || last === undefined) return undefined;
    if (first.seq > after + 1 || last.seq < to) return undefined;
    return this.#events.slice(after + 1 - first.seq, to + 1 - first.seq);
  }

  clear(): void {
    this.#events = [];
    this.#bytes = 0;
  }

  #cut(): void {
    let first = this.#events.length;
    let bytes = 0;
    while (first > 0 && this.#events.length - first < MAX_EVENTS) {
      const size = sizeOf(this.#events[first - 1]!);
      if (bytes + size > MAX_BYTES) break;
      bytes += size;
      first -= 1;
    }
    this.#events = this.#events.slice(first);
    this.#bytes = bytes;
  }
}

/** About how many bytes an event holds; only results and error texts can be large. */
export function sizeOf({ event }: FeedEvent): number {
  if (event.type === 'JobFailed') return USUAL_BYTES + event.data.error.length;
  if (event.type !== 'JobCompleted' || event.data.result === undefined) return USUAL_BYTES;
  return USUAL_BYTES + JSON.stringify(event.data.result).length;
}
