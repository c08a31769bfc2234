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

/** Collects queues that got claimable jobs. */
export class QueuesByOrganization {
  readonly #queues = new Map<string, Set<string>>();

  add(organizationId: string, queueName: string): void {
    const known = this.#queues.get(organizationId);
    if (known === undefined) this.#queues.set(organizationId, new Set([queueName]));
    else known.add(queueName);
  }

  entries(): Iterable<readonly [organizationId: string, queueNames: ReadonlySet<string>]> {
    return this.#queues;
  }
}
