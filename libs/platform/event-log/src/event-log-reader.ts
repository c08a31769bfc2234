import { Injectable } from '@nestjs/common';
import type { LoggedEvent } from '@spooled/contracts';
import type { Transaction } from '@spooled/postgres';
import { behind, following, newest } from './event-log.sql.js';

/** An event of the log and its place there. */
export interface LogEntry {
  readonly seq: number;
  readonly event: LoggedEvent;
}

/** What follows a position in an organization's log. */
export interface LogPage {
  /** Dense and in order. */
  readonly events: readonly LogEntry[];
  /** Events between the position and the first of these that the log holds no more. */
  readonly missed: number;
  /** Whether there may be more. */
  readonly isFull: boolean;
}

const MAX_BATCHES = 200;
const MAX_EVENTS = 1000;

/**
 * Reads the log itself, in the reader's transaction: what is made of the events and how far they were read can then be
 * committed together. The role needs `spooled_event_reader`, or `spooled_events` to look at many organizations at once.
 */
@Injectable()
export class EventLogReader {
  async newest(tx: Transaction, organizationId: string): Promise<number> {
    const [row] = await tx.query<{ last_seq: number }>(newest, [organizationId]);
    return row?.last_seq ?? 0;
  }

  /** The organizations whose logs go on after the positions that were read; needs `spooled_events`. */
  async behind(
    tx: Transaction,
    readers: readonly { readonly organization_id: string; readonly position: number }[],
  ): Promise<string[]> {
    const rows = await tx.query<{ organization_id: string }>(behind, [
      readers.map(({ organization_id }) => organization_id),
      readers.map(({ position }) => position),
    ]);
    return rows.map(({ organization_id }) => organization_id);
  }

  async page(tx: Transaction, organizationId: string, after: number): Promise<LogPage> {
    const rows = await tx.query<{ first_seq: number; events: readonly LoggedEvent[] }>(following, [
      organizationId,
      after,
      MAX_BATCHES,
      MAX_EVENTS,
    ]);
    const events = rows.flatMap((row) =>
      row.events.map((event, index) => ({ seq: row.first_seq + index, event })),
    );
    const unread = events.filter(({ seq }) => seq > after);
    const first = unread[0];
    return {
      events: unread,
      missed: first === undefined ? 0 : first.seq - after - 1,
      isFull: rows.length === MAX_BATCHES || events.length >= MAX_EVENTS,
    };
  }
}
