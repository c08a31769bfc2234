import type { Answer, SpooledEvent } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { mayBeRounded } from '../../ui/json-text.js';

export interface DeadLetterRow {
  readonly id: string;
  readonly queueName: string;
  readonly lastError: string | null;
  /** When it was given up. */
  readonly diedAt: string;
  readonly retryCount: number | null;
  /** Undefined when it is too large for a list, has numbers that lose digits, or came by an event: the job itself has it. */
  readonly payload: unknown;
}

export interface DeadLetterFilter {
  readonly queueName: string;
  readonly tag: string;
  /** From 1. */
  readonly page: number;
}

export const PAGE_SIZE = 100;

/** Newest first. New ones appear on the first page, unless a tag is asked for, of which events do not tell. */
export function deadLettersResource({
  queueName,
  tag,
  page,
}: DeadLetterFilter): Resource<readonly DeadLetterRow[]> {
  const takesNew = page === 1 && tag === '';
  return {
    key: `dead-letters:${queueName}:${tag}:${page}`,
    load: async (client, signal) => {
      const query = {
        queueName: queueName || undefined,
        tag: tag || undefined,
        limit: PAGE_SIZE,
        offset: (page - 1) * PAGE_SIZE,
      };
      return (await client.jobs.dlq.list(query, { signal })).map(toRow);
    },
    apply: (rows, events) => {
      const byId = new Map(rows.map((row) => [row.id, row]));
      const before = [...byId.values()];
      for (const event of events) {
        if (event.type === 'queue.stats' && event.data.deadletter === 0)
          for (const row of byId.values())
            if (row.queueName === event.data.queueName && row.diedAt <= event.timestamp)
              byId.delete(row.id);
        if (isOutside(event, queueName)) continue;
        note(byId, event, takesNew);
      }
      const after = [...byId.values()];
      const isSame = after.length === before.length && after.every((row, n) => row === before[n]);
      if (isSame) return rows;
      return after.sort((a, b) => (a.diedAt < b.diedAt ? 1 : -1));
    },
  };
}

function isOutside(event: SpooledEvent, queueName: string): boolean {
  if (event.type !== 'job.status' && event.type !== 'job.failed') return true;
  return queueName !== '' && event.data.queueName !== queueName;
}

function note(byId: Map<string, DeadLetterRow>, event: SpooledEvent, takesNew: boolean): void {
  if (event.type === 'job.failed') {
    // Comes right after the change of status, and says why.
    const row = byId.get(event.data.jobId);
    if (row === undefined || event.data.willRetry) return;
    const { error: lastError, retryCount } = event.data;
    if (row.lastError !== lastError) byId.set(row.id, { ...row, lastError, retryCount });
  }
  if (event.type !== 'job.status') return;
  const { jobId: id, newStatus, queueName, timestamp: diedAt, reason } = event.data;
  if (newStatus !== 'deadletter') byId.delete(id);
  else if (takesNew && !byId.has(id))
    byId.set(id, {
      id,
      queueName,
      diedAt,
      lastError: reason ?? null,
      retryCount: null,
      payload: undefined,
    });
}

function toRow(letter: Answer<'deadLetters', 'list'>[number]): DeadLetterRow {
  const { id, queueName, lastError, completedAt, updatedAt, retryCount } = letter;
  const payload = mayBeRounded(letter.payload) ? undefined : letter.payload;
  return { id, queueName, lastError, diedAt: completedAt ?? updatedAt, retryCount, payload };
}
