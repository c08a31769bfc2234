import { Injectable } from '@nestjs/common';
import { Database, type Transaction } from '@spooled/postgres';
import type { Definition, EndpointRow } from '../domain/endpoint.js';
import * as statements from './endpoint.sql.js';

export type LockedEndpoint = EndpointRow & { readonly now: Date };

@Injectable()
export class EndpointRepository {
  constructor(private readonly database: Database) {}

  async find(organizationId: string, id: string): Promise<EndpointRow | null> {
    const values = [organizationId, id];
    const [row] = await this.database.query<EndpointRow>([organizationId], statements.find, values);
    return row ?? null;
  }

  /** Newest first. */
  list(organizationId: string): Promise<EndpointRow[]> {
    return this.database.query([organizationId], statements.list, [organizationId]);
  }

  async countEnabled(organizationId: string): Promise<number> {
    const [row] = await this.database.query<{ enabled: number }>(
      [organizationId],
      statements.countEnabled,
      [organizationId],
    );
    return row!.enabled;
  }

  /** Makes further callers of the organization wait until commit, then counts. */
  async lockEnabled(tx: Transaction, organizationId: string): Promise<number> {
    const [, [row]] = await Promise.all([
      tx.query(statements.lockSlots, [organizationId]),
      tx.query<{ enabled: number }>(statements.countEnabled, [organizationId]),
    ]);
    return row!.enabled;
  }

  async lock(tx: Transaction, organizationId: string, id: string): Promise<LockedEndpoint | null> {
    const [row] = await tx.query<LockedEndpoint>(statements.lock, [organizationId, id]);
    return row ?? null;
  }

  async insert(
    tx: Transaction,
    organizationId: string,
    id: string,
    definition: Definition,
  ): Promise<EndpointRow> {
    const values = [organizationId, id, ...bound(definition)];
    const [row] = await tx.query<EndpointRow>(statements.insert, values);
    return row!;
  }

  async revise(
    tx: Transaction,
    { organization_id, id }: EndpointRow,
    definition: Definition,
  ): Promise<EndpointRow> {
    const values = [organization_id, id, ...bound(definition)];
    const [row] = await tx.query<EndpointRow>(statements.revise, values);
    return row!;
  }

  async remove(organizationId: string, id: string): Promise<boolean> {
    const values = [organizationId, id];
    const rows = await this.database.query([organizationId], statements.remove, values);
    return rows.length > 0;
  }

  /** With the deliveries. Answers whether nothing is left; otherwise the time was too short for all. */
  forget(organizationId: string): Promise<boolean> {
    return statements.rows.delete(this.database, organizationId);
  }

  async follow(tx: Transaction, organizationId: string, position: number): Promise<void> {
    await tx.query(statements.follow, [organizationId, position]);
  }
}

/** In the order of the columns of `insert` and `revise`. */
function bound(definition: Definition): unknown[] {
  return [
    definition.name,
    definition.url,
    definition.events,
    definition.enabled,
    definition.secret,
    definition.previous_secret,
    definition.previous_secret_until,
    definition.since_seq,
    definition.failure_count,
  ];
}
