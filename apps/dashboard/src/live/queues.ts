import type { SpooledEvent } from '@spooled/sdk';

import type { Resource } from './resources.js';

export interface QueueCounts {
  /** Scheduled ones included. */
  readonly pending: number;
  readonly processing: number;
  readonly scheduled: number;
  readonly completed: number;
  readonly deadletter: number;
}

/** A queue; null = not known, because it came into being after the list was read. */
export interface QueueRow {
  readonly queueName: string;
  readonly isPaused: boolean;
  /** Null while it goes, and while nobody told since when it does not. */
  readonly pausedAt: string | null;
  readonly pauseReason: string | null;
  readonly maxRetries: number | null;
  /** Seconds. */
  readonly defaultTimeout: number | null;
  /** Jobs claimed per second; null = no limit. */
  readonly rateLimit: number | null;
  readonly counts: QueueCounts;
}

/** All queues by name, a hundred at most and whichever come into being. */
export const queuesResource: Resource<readonly QueueRow[]> = {
  key: 'queues',
  load: async (client, signal) => {
    const queues = await client.queues.list({ signal });
    return queues.map(({ enabled, ...queue }) => ({ ...queue, isPaused: !enabled }));
  },
  apply: (queues, events) => {
    const changes = new Map<string, Partial<QueueRow>>();
    for (const event of events) {
      const change = changeOf(event);
      if (change === undefined) continue;
      const { queueName } = change;
      changes.set(queueName, { ...changes.get(queueName), ...change });
    }
    if (changes.size === 0) return queues;
    const changed = queues.map((queue) => {
      const change = changes.get(queue.queueName);
      changes.delete(queue.queueName);
      return change === undefined ? queue : { ...queue, ...change };
    });
    if (changes.size === 0) return changed;
    // Nothing in it: the last word on one that was deleted.
    const added = [...changes]
      .filter(([, { counts }]) => !isEmpty(counts))
      .map(([queueName, change]) => ({ ...blank(queueName), ...change }));
    if (added.length === 0) return changed;
    return [...changed, ...added].sort((a, b) => (a.queueName < b.queueName ? -1 : 1));
  },
};

function changeOf(event: SpooledEvent): (Partial<QueueRow> & { queueName: string }) | undefined {
  switch (event.type) {
    case 'queue.stats': {
      const { queueName, paused, pending, processing, scheduled, completed, deadletter } =
        event.data;
      const counts = { pending, processing, scheduled, completed, deadletter };
      return { queueName, isPaused: paused, ...(!paused && notPaused), counts };
    }
    case 'queue.paused':
      return {
        queueName: event.data.queueName,
        isPaused: true,
        pausedAt: event.data.timestamp,
        pauseReason: event.data.reason,
      };
    case 'queue.resumed':
      return { queueName: event.data.queueName, isPaused: false, ...notPaused };
    default:
      return undefined;
  }
}

const notPaused = { pausedAt: null, pauseReason: null };

function isEmpty(counts: QueueCounts | undefined): boolean {
  return counts !== undefined && Object.values(counts).every((each) => each === 0);
}

function blank(queueName: string): QueueRow {
  return {
    queueName,
    isPaused: false,
    ...notPaused,
    maxRetries: null,
    defaultTimeout: null,
    rateLimit: null,
    counts: { pending: 0, processing: 0, scheduled: 0, completed: 0, deadletter: 0 },
  };
}
