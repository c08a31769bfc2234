import type { FeedEvent } from './organization-feed.js';
import { sizeOf } from './recent-events.js';

/** A question that begins less than this before a position brings what follows it: a page has as many rows, or more. */
const NEAR = 200;
const MAX_PAGES = 64;
const MAX_BYTES = 4 * 1024 * 1024;
const KEEP_MS = 30_000;

/** What the log answered. */
export interface LogPage {
  /** Dense, oldest first. */
  readonly events: readonly FeedEvent[];
  /** Sequence of the oldest event that the log held. */
  readonly oldest: number;
}

/**
 * Pages of the log that were read a moment ago, and those being asked for. After a restart all clients resume from about
 * the same place, none of it in memory: the first one asks, and the others read what it got. What the log held once stays
 * true, so a page may be old.
 */
export class LogPages {
  #pages: LogPage[] = [];
  #bytes = 0;
  readonly #asked = new Map<number, Promise<LogPage>>();
  #timer: NodeJS.Timeout | undefined;

  /** What follows a sequence, among other events: from a page, from an answer on its way, or from an answer of its own. */
  async after(seq: number, ask: () => Promise<LogPage>): Promise<LogPage> {
    const known = this.#pages.find((page) => covers(page, seq));
    if (known !== undefined) return known;
    // Questions that come meanwhile are looked at too.
    for (const [start, answer] of this.#asked) {
      if (start > seq || seq - start >= NEAR) continue;
      const page = await answer;
      if (start === seq || covers(page, seq)) return page;
    }
    const answer = ask().finally(() => this.#asked.delete(seq));
    this.#asked.set(seq, answer);
    return answer;
  }

  /** For whoever asks next. */
  keep(page: LogPage): void {
    this.#pages.push(page);
    this.#bytes += sizeOfPage(page);
    while (this.#pages.length > MAX_PAGES || this.#bytes > MAX_BYTES) {
      this.#bytes -= sizeOfPage(this.#pages.shift()!);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.clear(), KEEP_MS).unref();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#pages = [];
    this.#bytes = 0;
  }
}

function covers({ events }: LogPage, seq: number): boolean {
  const [first] = events;
  const last = events.at(-1);
  return first !== undefined && last !== undefined && first.seq <= seq + 1 && last.seq > seq;
}

function sizeOfPage({ events }: LogPage): number {
  return events.reduce((sum, event) => sum + sizeOf(event), 0);
}
