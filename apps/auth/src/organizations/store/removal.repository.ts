import { Injectable } from '@nestjs/common';
import { Database, type Transaction } from '@spooled/postgres';
import * as statements from './removal.sql.js';

export interface RemovalRow {
  readonly organization_id: string;
  /** What Stripe is still to be told to end. */
  readonly subscription_id: string | null;
}

/** Organizations that are gone here and not yet everywhere. */
@Injectable()
export class RemovalRepository {
  constructor(private readonly database: Database) {}

  start(tx: Transaction, organizationId: string, subscriptionId: string | null): void {
    tx.send(statements.start, [organizationId, subscriptionId]);
  }

  async takeDue(count: number): Promise<RemovalRow[]> {
    return this.database.maintenance((tx) => tx.query<RemovalRow>(statements.takeDue, [count]));
  }

  async settleSubscription(organizationId: string): Promise<void> {
    await this.database.maintenance((tx) =>
      tx.query(statements.settleSubscription, [organizationId]),
    );
  }

  async settle(organizationId: string, notBeforeSecs: number): Promise<void> {
    await this.database.maintenance((tx) =>
      tx.query(statements.settle, [organizationId, notBeforeSecs]),
    );
  }
}
