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

interface Batch {
  readonly organizationId: string;
  readonly count: number;
  /** The events as a JSON array. */
  readonly json: string;
}

/** The writing end of the event log: the only way state changes become visible. */
@Injectable()
export class EventLog {
  constructor(private readonly publisher: Publisher) {}

  /**
   * Adds events to the organizations' logs as part of the transaction, which should end right after: the locks on the
   * positions are held until commit. Once committed, the batches are published.
   */
  append(transaction: Transaction, entries: readonly EventLogEntry[]): void {
    const batches = entries.flatMap(split);
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
    if (texts.length >= MAX_BATCH_EVENTS || bytes + text.length > MAX_BATCH_BYTES) flush();
    texts.push(text);
    bytes += text.length;
  }
  flush();
  return batches;
}
