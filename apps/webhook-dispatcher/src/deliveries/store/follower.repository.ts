import { Injectable } from '@nestjs/common';
import type { WebhookEventName } from '@spooled/contracts';
import { Database, type Transaction } from '@spooled/postgres';
import * as statements from './follower.sql.js';

/** What an organization's log is read for. */
export type Purpose = 'endpoints' | 'completions';

export interface Follower {
  readonly organization_id: string;
  readonly purpose: Purpose;
  readonly position: number;
}

/** An enabled endpoint, as far as it decides what it is told. */
export interface Listener {
  readonly id: string;
  readonly events: readonly WebhookEventName[];
  readonly since_seq: number;
}

@Injectable()
export class FollowerRepository {
  constructor(private readonly database: Database) {}

  /** How far the log was read for endpoints, locked; `null` when it is not, or is being read by somebody else. */
  async lockPosition(tx: Transaction, organizationId: string): Promise<number | null> {
    const [row] = await tx.query<Follower>(statements.lockPosition, [organizationId]);
    return row?.position ?? null;
  }

  /** How far the log was read for completion webhooks; `null` when it is not. */
  async position(tx: Transaction, organizationId: string): Promise<number | null> {
    const [row] = await tx.query<Follower>(statements.position, [organizationId]);
    return row?.position ?? null;
  }

  /** Answers whether it still stood at `from`. */
  async advance(
    tx: Transaction,
    organizationId: string,
    purpose: Purpose,
    from: number,
    to: number,
  ): Promise<boolean> {
    const rows = await tx.query(statements.advance, [organizationId, purpose, from, to]);
    return rows.length > 0;
  }

  listeners(tx: Transaction, organizationId: string): Promise<Listener[]> {
    return tx.query(statements.listeners, [organizationId]);
  }

  unfollow(tx: Transaction, organizationId: string): void {
    tx.send(statements.unfollow, [organizationId]);
  }

  async followCompletions(organizationId: string, position: number): Promise<void> {
    const values = [organizationId, position];
    await this.database.query([organizationId], statements.followCompletions, values);
  }

  page(
    tx: Transaction,
    after: Pick<Follower, 'organization_id' | 'purpose'>,
    limit: number,
  ): Promise<Follower[]> {
    return tx.query(statements.followers, [after.organization_id, after.purpose, limit]);
  }
}
