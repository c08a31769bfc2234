import { Injectable } from '@nestjs/common';
import { webhookEventOf } from '@spooled/contracts';
import { EventLogReader, type LogEntry } from '@spooled/event-log';
import { Database } from '@spooled/postgres';
import { deliveryId } from './delivery-id.js';
import { envelope } from './domain/envelope.js';
import { MissedEvents } from './missed-events.js';
import { DeliveryRepository, type NewDelivery } from './store/delivery.repository.js';
import { FollowerRepository, type Listener } from './store/follower.repository.js';

/** What came of reading a page of a log. */
export interface Reading {
  /** Deliveries that were made. */
  readonly deliveries: number;
  /** Whether there may be more to read. */
  readonly isFull: boolean;
}

export const NOTHING: Reading = { deliveries: 0, isFull: false };

/** Makes deliveries to endpoints of events, and moves the position past them, in one transaction. */
@Injectable()
export class EndpointEvents {
  constructor(
    private readonly database: Database,
    private readonly reader: EventLogReader,
    private readonly followers: FollowerRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly missed: MissedEvents,
  ) {}

  /** One page of one log. */
  read(organizationId: string): Promise<Reading> {
    return this.database.transaction([organizationId], async (tx) => {
      const position = await this.followers.lockPosition(tx, organizationId);
      if (position === null) return NOTHING;
      const [listeners, page] = await Promise.all([
        this.followers.listeners(tx, organizationId),
        this.reader.page(tx, organizationId, position),
      ]);
      if (listeners.length === 0) {
        this.followers.unfollow(tx, organizationId);
        return NOTHING;
      }
      const last = page.events.at(-1);
      if (last === undefined) return NOTHING;
      this.missed.tell(organizationId, page.missed);
      const deliveries = page.events.flatMap((entry) => deliveriesOf(entry, listeners));
      await this.deliveries.insert(tx, organizationId, deliveries);
      await this.followers.advance(tx, organizationId, 'endpoints', position, last.seq);
      return { deliveries: deliveries.length, isFull: page.isFull };
    });
  }
}

function deliveriesOf({ seq, event }: LogEntry, listeners: readonly Listener[]): NewDelivery[] {
  const told = webhookEventOf(event);
  if (told === null) return [];
  return listeners
    .filter(({ events, since_seq }) => seq > since_seq && events.includes(told.name))
    .map(({ id: endpointId }) => {
      const id = deliveryId(endpointId, seq, new Date(told.at));
      return {
        id,
        lane: endpointId,
        endpointId,
        event: told.name,
        body: envelope(id, told),
        traceparent: event.traceparent ?? null,
      };
    });
}
