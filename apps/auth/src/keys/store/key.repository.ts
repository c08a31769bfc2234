import { Injectable } from '@nestjs/common';
import { Database, type Transaction } from '@spooled/postgres';
import * as statements from './key.sql.js';

/** A key as its organization sees it. */
export interface KeyRow {
  readonly id: string;
  readonly name: string;
  readonly queues: string[];
  readonly rate_limit: number | null;
  readonly is_active: boolean;
  readonly created_at: Date;
  readonly last_used: Date | null;
  readonly expires_at: Date | null;
}

/** What a key grants. */
export interface AccessRow {
  readonly organization_id: string;
  readonly id: string;
  readonly key_hash: Buffer;
  readonly queues: string[];
  readonly rate_limit: number | null;
  readonly expires_at: Date | null;
  readonly plan_tier: string;
  readonly custom_limits: unknown;
}

export interface PlanRow {
  readonly plan_tier: string;
  readonly custom_limits: unknown;
}

export interface NewKey {
  readonly id: string;
  readonly name: string;
  readonly hash: Buffer;
  readonly queues: readonly string[];
  readonly rateLimit: number | null;
  readonly expiresAt: string | null;
}

/** Absent fields keep their values; a null rate limit removes it. */
export interface KeyChange {
  readonly name?: string | null;
  readonly queues?: readonly string[] | null;
  readonly rateLimit?: number | null;
  readonly isActive?: boolean | null;
}

@Injectable()
export class KeyRepository {
  constructor(private readonly database: Database) {}

  /** Takes the organization's lock; `null` when it is not there. */
  async lockOrganization(tx: Transaction, organizationId: string): Promise<PlanRow | null> {
    const [plan] = await tx.query<PlanRow>(statements.lockOrganization, [organizationId]);
    return plan ?? null;
  }

  async countActive(tx: Transaction, organizationId: string): Promise<number> {
    const [row] = await tx.query<{ active: number }>(statements.countActive, [organizationId]);
    return row?.active ?? 0;
  }

  async countActiveNow(organizationId: string): Promise<number> {
    return this.database.transaction([organizationId], (tx) =>
      this.countActive(tx, organizationId),
    );
  }

  async insert(tx: Transaction, organizationId: string, key: NewKey): Promise<KeyRow> {
    const [row] = await tx.query<KeyRow>(statements.insert, [
      organizationId,
      key.id,
      key.name,
      key.hash,
      key.queues,
      key.rateLimit,
      key.expiresAt,
    ]);
    return row!;
  }

  async list(organizationId: string): Promise<KeyRow[]> {
    return this.database.query<KeyRow>([organizationId], statements.list, [organizationId]);
  }

  /** Oldest first. */
  async listActive(organizationId: string): Promise<KeyRow[]> {
    return this.database.query<KeyRow>([organizationId], statements.listActive, [organizationId]);
  }

  async findOwner(tx: Transaction, organizationId: string): Promise<KeyRow | null> {
    const [row] = await tx.query<KeyRow>(statements.findOwner, [organizationId]);
    return row ?? null;
  }

  async find(organizationId: string, id: string): Promise<KeyRow | null> {
    const values = [organizationId, id];
    const [row] = await this.database.query<KeyRow>([organizationId], statements.find, values);
    return row ?? null;
  }

  async findIn(tx: Transaction, organizationId: string, id: string): Promise<KeyRow | null> {
    const [row] = await tx.query<KeyRow>(statements.find, [organizationId, id]);
    return row ?? null;
  }

  async update(
    tx: Transaction,
    organizationId: string,
    id: string,
    change: KeyChange,
  ): Promise<KeyRow | null> {
    const [row] = await tx.query<KeyRow>(statements.update, [
      organizationId,
      id,
      change.name ?? null,
      change.queues ?? null,
      change.rateLimit !== undefined,
      change.rateLimit ?? null,
      change.isActive ?? null,
    ]);
    return row ?? null;
  }

  async revoke(tx: Transaction, organizationId: string, id: string): Promise<boolean> {
    const rows = await tx.query(statements.revoke, [organizationId, id]);
    return rows.length > 0;
  }

  async revokeAll(tx: Transaction, organizationId: string): Promise<void> {
    await tx.query(statements.revokeAll, [organizationId]);
  }

  async findByHash(hash: Buffer): Promise<{ organization_id: string; id: string } | null> {
    const [row] = await this.database.query<{ organization_id: string; id: string }>(
      [],
      statements.findByHash,
      [hash],
    );
    return row ?? null;
  }

  /** `null` when the key grants nothing now, or the session is over. */
  async findAccess(
    organizationId: string,
    id: string,
    sid: string | null,
  ): Promise<AccessRow | null> {
    const values = [organizationId, id, sid];
    const [row] = await this.database.query<AccessRow>(
      [organizationId],
      statements.findAccess,
      values,
    );
    return row ?? null;
  }

  async touch(keys: readonly { organizationId: string; id: string }[]): Promise<void> {
    const values = [keys.map((key) => key.organizationId), keys.map((key) => key.id)];
    await this.database.maintenance((tx) => tx.query(statements.touch, values));
  }

  /** Answers the fingerprint that holds for this database: the first one it was ever given. */
  async keepPepper(fingerprint: Buffer): Promise<Buffer> {
    const values = [fingerprint];
    for (;;) {
      const [row] = await this.database.query<{ fingerprint: Buffer }>(
        [],
        statements.keepPepper,
        values,
      );
      // None when another instance wrote the first one during this statement; the next look sees it.
      if (row !== undefined) return row.fingerprint;
    }
  }
}
