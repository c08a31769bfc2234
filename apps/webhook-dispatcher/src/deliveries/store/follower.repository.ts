import { Injectable } from '@nestjs/common';
import type { WebhookEventName } from '@spooled/contracts';
import type { Transaction } from '@spooled/postgres';
import * as statements from './follower.sql.js';

export interface Follower {
  readonly organization_id: string;
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
  /** How far the log was read, locked; `null` when it is not followed, or by somebody else right now. */
  async lockPosition(tx: Transaction, organizationId: string): Promise<number | null> {
    const [row] = await tx.query<Follower>(statements.lockPosition, [organizationId]);
    return row?.position ?? null;
  }

  advance(tx: Transaction, organizationId: string, position: number): void {
    tx.send(statements.advance, [organizationId, position]);
  }

  listeners(tx: Transaction, organizationId: string): Promise<Listener[]> {
    return tx.query(statements.listeners, [organizationId]);
  }

  unfollow(tx: Transaction, organizationId: string): void {
    tx.send(statements.unfollow, [organizationId]);
  }

  page(tx: Transaction, after: string, limit: number): Promise<Follower[]> {
    return tx.query(statements.followers, [after, limit]);
  }
}
