import type { SpooledEvent } from '@spooled/sdk';

import type { Resource } from './resources.js';

export interface QueueCounts {
  /** Scheduled ones included. */
  readonly pending: number;
  readonly processing: number;
  /** The rest is known once the queue has changed while somebody watched. */
  readonly scheduled?: number;
  readonly completed?: number;
  readonly deadletter?: number;
}

/** A queue; null = not known, because it came into being after the list was read. */
export interface QueueRow {
  readonly queueName: string;
  readonly isPaused: boolean;
  readonly maxRetries: number | null;
  /** Seconds. */
  readonly defaultTimeout: number | null;
  /** Jobs claimed per second; null = no limit. */
  readonly rateLimit: number | null;
  readonly counts: QueueCounts | undefined;
}

/** All queues by name, with their counts. The server tells counts of its twenty busiest queues, then of each that changes. */
export const queuesResource: Resource<readonly QueueRow[]> = {
  key: 'queues',
  load: async (client, signal) => {
    const [queues, { queues: busiest }] = await Promise.all([
      client.queues.list({ signal }),
      client.dashboard.get({ signal }),
    ]);
    const counts = new Map(busiest.map((queue) => [queue.name, queue]));
    return queues.map(({ queueName, enabled, ...queue }) => ({
      ...queue,
      queueName,
      isPaused: !enabled,
      counts: countsOf(counts.get(queueName)),
    }));
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
    const added = [...changes].map(([queueName, change]) => ({ ...blank(queueName), ...change }));
    return [...changed, ...added].sort((a, b) => (a.queueName < b.queueName ? -1 : 1));
  },
};

function changeOf(event: SpooledEvent): (Partial<QueueRow> & { queueName: string }) | undefined {
  switch (event.type) {
    case 'queue.stats': {
      const { queueName, paused, pending, processing, scheduled, completed, deadletter } =
        event.data;
      const counts = { pending, processing, scheduled, completed, deadletter };
      return { queueName, isPaused: paused, counts };
    }
    case 'queue.paused':
      return { queueName: event.data.queueName, isPaused: true };
    case 'queue.resumed':
      return { queueName: event.data.queueName, isPaused: false };
    default:
      return undefined;
  }
}

function countsOf(
  queue: { readonly pending: number; readonly processing: number } | undefined,
): QueueCounts | undefined {
  return queue && { pending: queue.pending, processing: queue.processing };
}

function blank(queueName: string): QueueRow {
  return {
    queueName,
    isPaused: false,
    maxRetries: null,
    defaultTimeout: null,
    rateLimit: null,
    counts: undefined,
  };
}
