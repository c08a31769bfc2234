import type { StoredEvent } from '@spooled/contracts';
import type { EventLogEntry } from '@spooled/event-log';

/** Collects the events of one transaction, which may serve several organizations. */
export class EventsByOrganization {
  readonly #events = new Map<string, StoredEvent[]>();

  add(organizationId: string, ...events: StoredEvent[]): void {
    const known = this.#events.get(organizationId);
    if (known === undefined) this.#events.set(organizationId, events);
    else known.push(...events);
  }

  entries(): EventLogEntry[] {
    return [...this.#events].map(([organizationId, events]) => ({ organizationId, events }));
  }
}

/** Collects queues that got claimable jobs, and how many. */
export class QueuesByOrganization {
  readonly #queues = new Map<string, Map<string, number>>();

  /** `jobs` is Infinity when nobody knows how many. */
  add(organizationId: string, queueName: string, jobs = 1): void {
    const known = this.#queues.get(organizationId);
    if (known === undefined) this.#queues.set(organizationId, new Map([[queueName, jobs]]));
    else known.set(queueName, (known.get(queueName) ?? 0) + jobs);
  }

  entries(): Iterable<readonly [organizationId: string, jobs: ReadonlyMap<string, number>]> {
    return this.#queues;
  }
}
