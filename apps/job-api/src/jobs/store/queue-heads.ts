import { Injectable } from '@nestjs/common';
import { WorkSignal } from '../work-signal.js';

/** A place in the order of a queue: highest priority first, then by id. */
export interface Place {
  readonly priority: number;
  readonly id: string;
}

/** Before every job: no priority is as high. */
export const START: Place = { priority: 32_767, id: '00000000-0000-0000-0000-000000000000' };

/** What came back or was made elsewhere while a hint was lost is found after this time at the latest. */
const MAX_AGE_MS = 1000;
/** Other instances tell of every job they make, mostly of such that a look finds anyway. */
const MIN_AGE_MS = 250;
/** Whoever has more queues than this forgets where they stand, and looks from their beginning. */
const MAX_QUEUES = 20_000;
/** So many jobs made while one look is under way are too many to mind. */
const MAX_ADDED = 1000;

/**
 * Where claims of this process have got to in each queue. Claimed rows stay behind as dead entries, at the very place where
 * the next claim begins to look, until vacuum removes them; while somebody holds a snapshot open, that is not at all. So a
 * look begins behind the last job that was claimed here, unless there may be a claimable one before it: one that came back,
 * or was made with a higher priority. Being wrong costs order, for a second at most, and never a job: a look that finds
 * nothing is repeated from the beginning.
 */
@Injectable()
export class QueueHeads {
  readonly #heads = new Map<string, Head>();

  constructor(work: WorkSignal) {
    work.onReturned(({ organizationId, queueName }, isHere) => {
      if (isHere) this.forget(organizationId, queueName);
      else this.#heads.get(nameOf(organizationId, queueName))?.doubt();
    });
  }

  /** Begins looks, one for each queue: calls of the same share it. Call it right before the statement is sent. */
  looks(
    calls: readonly { readonly organizationId: string; readonly queueName: string }[],
  ): readonly Look[] {
    const looks = new Map<string, Look>();
    return calls.map(({ organizationId, queueName }) => {
      const name = nameOf(organizationId, queueName);
      const look = looks.get(name) ?? new Look(this.#head(name));
      looks.set(name, look);
      return look;
    });
  }

  /** A job was made; call it once that is committed. */
  added(job: Place & { readonly organizationId: string; readonly queueName: string }): void {
    this.#heads.get(nameOf(job.organizationId, job.queueName))?.added(job);
  }

  /** Jobs came back, or changed their places. */
  forget(organizationId: string, queueName: string): void {
    this.#heads.get(nameOf(organizationId, queueName))?.forget();
  }

  #head(name: string): Head {
    const known = this.#heads.get(name);
    if (known?.isFresh === true) return known;
    if (this.#heads.size >= MAX_QUEUES) this.#heads.clear();
    const head = new Head();
    this.#heads.set(name, head);
    return head;
  }
}

/** How far one queue is known. Once it is forgotten, looks that are under way come too late to change that. */
class Head {
  passed: Place = START;
  /** Looks under way, and such that failed: what is added meanwhile may be invisible to them. */
  readonly looks = new Set<Look>();
  #staleAt = performance.now() + MAX_AGE_MS;

  get isFresh(): boolean {
    return performance.now() < this.#staleAt;
  }

  added(place: Place): void {
    if (!isBefore(this.passed, place)) this.forget();
    for (const look of this.looks) look.added(place);
  }

  doubt(): void {
    this.#staleAt = Math.min(this.#staleAt, performance.now() + MIN_AGE_MS);
  }

  forget(): void {
    this.#staleAt = 0;
  }
}

/** One statement that looks for jobs of a queue. */
export class Look {
  /** Where it begins: behind this. */
  readonly after: Place;
  readonly #added: Place[] = [];

  constructor(private readonly head: Head) {
    this.after = head.passed;
    head.looks.add(this);
  }

  get isPartial(): boolean {
    return this.after !== START;
  }

  added(place: Place): void {
    if (this.#added.length < MAX_ADDED) this.#added.push(place);
    else this.head.forget();
  }

  /** There was a job before its beginning. */
  wasWrong(): void {
    this.head.forget();
  }

  /** What it found is claimed, and that is committed. */
  end(places: readonly Place[]): void {
    this.head.looks.delete(this);
    const ids = new Set(places.map(({ id }) => id));
    const missed = this.#added.filter(({ id }) => !ids.has(id));
    for (const place of places) {
      const isNews = isBefore(this.head.passed, place);
      if (isNews && missed.every((other) => isBefore(place, other))) this.head.passed = place;
    }
  }
}

function isBefore(a: Place, b: Place): boolean {
  return a.priority === b.priority ? a.id < b.id : a.priority > b.priority;
}

function nameOf(organizationId: string, queueName: string): string {
  return `${organizationId} ${queueName}`;
}
