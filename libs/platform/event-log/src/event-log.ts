import { Injectable } from '@nestjs/common';
import type { StoredEvent } from '@spooled/contracts';
import type { Transaction } from '@spooled/postgres';
import { append } from './event-log.sql.js';
import { Publisher } from './publisher.js';

/** What a transaction tells about one organization. */
export interface EventLogEntry {
  readonly organizationId: string;
  readonly events: readonly StoredEvent[];
}

/** A batch stays well below the bus's message limit (1 MB by default). */
const MAX_BATCH_BYTES = 256 * 1024;
const MAX_BATCH_EVENTS = 500;
/** After everything else that comes right before COMMIT: the positions are the most wanted locks. */
const LAST = Infinity;

interface Batch {
  readonly organizationId: string;
  readonly count: number;
  /** The events as a JSON array. */
  readonly json: string;
}

/** The writing end of the event log: the only way state changes become visible. */
@Injectable()
export class EventLog {
  /** What open transactions have told so far, by organization. */
  readonly #told = new WeakMap<Transaction, Map<string, StoredEvent[]>>();

  constructor(private readonly publisher: Publisher) {}

  /**
   * Adds events to the organizations' logs as part of the transaction. They are written together, right before it
   * commits: the locks on the positions, held until commit, are taken once, in order, and as late as can be. Once
   * committed, the batches are published.
   */
  append(transaction: Transaction, entries: readonly EventLogEntry[]): void {
    let told = this.#told.get(transaction);
    if (told === undefined) {
      const all = (told = new Map<string, StoredEvent[]>());
      this.#told.set(transaction, all);
      transaction.beforeCommit(() => this.#write(transaction, all), LAST);
    }
    for (const { organizationId, events } of entries) {
      const known = told.get(organizationId);
      if (known === undefined) told.set(organizationId, [...events]);
      else known.push(...events);
    }
  }

  #write(transaction: Transaction, told: ReadonlyMap<string, readonly StoredEvent[]>): void {
    const batches = [...told].flatMap(([organizationId, events]) =>
      split({ organizationId, events }),
    );
    if (batches.length === 0) return;
    let placed: { first_seq: number; epoch: string }[] = [];
    transaction.send<{ first_seq: number; epoch: string }>(
      append,
      [
        batches.map(({ organizationId }) => organizationId),
        batches.map(({ count }) => count),
        batches.map(({ json }) => json),
      ],
      (rows) => {
        placed = rows;
      },
    );
    transaction.afterCommit(() => {
      batches.forEach(({ organizationId, count, json }, index) => {
        const { first_seq: firstSeq, epoch } = placed[index]!;
        this.publisher.publish({ organizationId, epoch, firstSeq, count, json });
      });
    });
  }
}

/** Cuts an entry into batches that fit the bus. */
function split({ organizationId, events }: EventLogEntry): Batch[] {
  const batches: Batch[] = [];
  let texts: string[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (texts.length > 0) {
      batches.push({ organizationId, count: texts.length, json: `[${texts.join(',')}]` });
    }
    texts = [];
    bytes = 0;
  };
  for (const event of events) {
    const text = JSON.stringify(event);
    const size = Buffer.byteLength(text);
    if (texts.length >= MAX_BATCH_EVENTS || bytes + size > MAX_BATCH_BYTES) flush();
    texts.push(text);
    bytes += size;
  }
  flush();
  return batches;
}
