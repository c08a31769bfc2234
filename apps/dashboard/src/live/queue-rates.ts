import type { SpooledEvent } from '@spooled/sdk';
import { useEffect, useState } from 'react';

import { useSession } from '../session/session-context.js';
import { useNow } from './clock.js';

/** Jobs of one queue in the last minute, as far as the page has been open so long. */
export interface QueueRate {
  created: number;
  completed: number;
}

const WINDOW_MS = 60_000;

class LastMinute {
  #seen: { readonly at: number; readonly queueName: string; readonly what: keyof QueueRate }[] = [];

  note(events: readonly SpooledEvent[]): void {
    const at = Date.now();
    for (const { type, data } of events) {
      if (type === 'job.created')
        this.#seen.push({ at, queueName: data.queueName, what: 'created' });
      if (type === 'job.completed')
        this.#seen.push({ at, queueName: data.queueName, what: 'completed' });
    }
  }

  at(now: number): ReadonlyMap<string, QueueRate> {
    this.#seen = this.#seen.filter(({ at }) => at > now - WINDOW_MS);
    const rates = new Map<string, QueueRate>();
    for (const { queueName, what } of this.#seen) {
      const rate = rates.get(queueName) ?? { created: 0, completed: 0 };
      rate[what] += 1;
      rates.set(queueName, rate);
    }
    return rates;
  }
}

/** Counted from the events of this tab while it is used; by the name of the queue. */
export function useQueueRates(): ReadonlyMap<string, QueueRate> {
  const { feed } = useSession();
  const [lastMinute] = useState(() => new LastMinute());
  useEffect(() => feed.listen((events) => lastMinute.note(events)), [feed, lastMinute]);
  return lastMinute.at(useNow());
}
