import type { FeedEvent } from './organization-feed.js';

/** Kept per organization, so that a reconnect storm is served from memory. */
const MAX_EVENTS = 4096;

/** The newest events of one organization, dense. */
export class RecentEvents {
  #events: FeedEvent[] = [];

  push(events: readonly FeedEvent[]): void {
    this.#events.push(...events);
    // Cut seldom and by half, so that a push costs nothing on the average.
    if (this.#events.length > 2 * MAX_EVENTS) this.#events = this.#events.slice(-MAX_EVENTS);
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
  }
}
