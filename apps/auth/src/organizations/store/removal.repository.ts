import { Injectable } from '@nestjs/common';
import { Database, type Transaction } from '@spooled/postgres';
import * as statements from './removal.sql.js';

/** Organizations that are gone here and not yet everywhere. */
@Injectable()
export class RemovalRepository {
  constructor(private readonly database: Database) {}

  start(tx: Transaction, organizationId: string): void {
    tx.send(statements.start, [organizationId]);
  }

  async takeDue(count: number): Promise<string[]> {
    const rows = await this.database.maintenance((tx) =>
      tx.query<{ organization_id: string }>(statements.takeDue, [count]),
    );
    return rows.map((row) => row.organization_id);
  }

  async settle(organizationId: string, notBeforeSecs: number): Promise<void> {
    await this.database.maintenance((tx) =>
      tx.query(statements.settle, [organizationId, notBeforeSecs]),
    );
  }
}
