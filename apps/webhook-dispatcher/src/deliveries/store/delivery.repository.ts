import { Injectable } from '@nestjs/common';
import type { DeliveryStatus, WebhookDelivery } from '@spooled/contracts';
import { Database, type Transaction } from '@spooled/postgres';
import type { DueLane, Room } from '../domain/lanes.js';
import * as statements from './delivery.sql.js';

export interface NewDelivery {
  readonly id: string;
  readonly lane: string;
  /** Null: to a completion webhook. */
  readonly endpointId: string | null;
  /** Of a completion webhook. */
  readonly url?: string;
  /** Of a completion webhook, sealed for the delivery. */
  readonly secret?: Buffer | null;
  readonly event: string;
  /** JSON text. */
  readonly body: string;
  /** Of what it tells of. */
  readonly traceparent?: string | null;
}

/** A delivery whose attempt is this process's to make. */
export interface ClaimedDelivery extends DueLane {
  readonly id: string;
  readonly event: string;
  readonly body: string;
  readonly traceparent: string | null;
  /** So far. */
  readonly attempts: number;
  readonly lease_id: string;
  /** Null: to a completion webhook. */
  readonly endpoint_id: string | null;
  /** Null when its endpoint is gone. */
  readonly url: string | null;
  readonly enabled: boolean | null;
  readonly secret: Buffer | null;
  readonly previous_secret: Buffer | null;
}

/** What came of an attempt, and what is next. */
export interface Settlement {
  readonly delivery: ClaimedDelivery;
  readonly status: DeliveryStatus;
  /** So far, this one included. */
  readonly attempts: number;
  readonly statusCode: number | null;
  readonly responseBody: string | null;
  readonly error: string | null;
  /** Until the next attempt, while it is pending. */
  readonly delaySecs: number;
}

export interface DeliveryRow extends Omit<WebhookDelivery, 'created_at' | 'delivered_at'> {
  readonly created_at: Date;
  readonly delivered_at: Date | null;
}

/** Rows of one statement. */
const MAX_ROWS = 2000;

@Injectable()
export class DeliveryRepository {
  constructor(private readonly database: Database) {}

  async insert(
    tx: Transaction,
    organizationId: string,
    deliveries: readonly NewDelivery[],
  ): Promise<void> {
    for (let start = 0; start < deliveries.length; start += MAX_ROWS) {
      const rows = deliveries.slice(start, start + MAX_ROWS);
      await tx.query(statements.insert, [
        organizationId,
        rows.map(({ id }) => id),
        rows.map(({ lane }) => lane),
        rows.map(({ endpointId }) => endpointId),
        rows.map(({ event }) => event),
        rows.map(({ body }) => body),
        rows.map(({ url }) => url ?? null),
        rows.map(({ secret }) => secret ?? null),
        rows.map(({ traceparent }) => traceparent ?? null),
      ]);
    }
  }

  dueLanes(tx: Transaction, after: DueLane, limit: number): Promise<DueLane[]> {
    return tx.query(statements.dueLanes, [after.organization_id, after.lane, limit]);
  }

  claim(tx: Transaction, rooms: readonly Room[], leaseSecs: number): Promise<ClaimedDelivery[]> {
    return tx.query(statements.claim, [
      rooms.map(({ lane }) => lane.organization_id),
      rooms.map(({ lane }) => lane.lane),
      rooms.map(({ room }) => room),
      leaseSecs,
    ]);
  }

  /** Answers the endpoints that are disabled by it. */
  settle(
    tx: Transaction,
    settlements: readonly Settlement[],
    maxFailures: number,
  ): Promise<{ organization_id: string; id: string }[]> {
    return tx.query(statements.settle, [
      settlements.map(({ delivery }) => delivery.organization_id),
      settlements.map(({ delivery }) => delivery.id),
      settlements.map(({ delivery }) => delivery.lease_id),
      settlements.map(({ status }) => status),
      settlements.map(({ attempts }) => attempts),
      settlements.map(({ statusCode }) => statusCode),
      // PostgreSQL text holds no NUL.
      settlements.map(({ responseBody }) => responseBody?.replaceAll('\0', '') ?? null),
      settlements.map(({ error }) => error),
      settlements.map(({ delaySecs }) => delaySecs),
      maxFailures,
    ]);
  }

  /** Newest first. */
  history(organizationId: string, endpointId: string, limit: number): Promise<DeliveryRow[]> {
    const values = [organizationId, endpointId, limit];
    return this.database.query([organizationId], statements.history, values);
  }

  /** Answers whether it had ended. */
  async redeliver(tx: Transaction, key: readonly [string, string, string]): Promise<boolean> {
    return (await tx.query(statements.redeliver, key)).length > 0;
  }

  async exists(tx: Transaction, key: readonly [string, string, string]): Promise<boolean> {
    return (await tx.query(statements.exists, key)).length > 0;
  }

  async organizations(after: string, limit: number): Promise<string[]> {
    const rows = await this.database.maintenance((tx) =>
      tx.query<{ organization_id: string }>(statements.organizations, [after, limit]),
    );
    return rows.map(({ organization_id }) => organization_id);
  }

  /** Answers how many are gone. */
  async prune(organizationId: string, beforeId: string, limit: number): Promise<number> {
    const values = [organizationId, beforeId, limit];
    return this.database.maintenance(
      async (tx) => (await tx.query(statements.prune, values)).length,
    );
  }
}
