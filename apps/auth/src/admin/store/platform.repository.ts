import { Injectable } from '@nestjs/common';
import type { AdminListQuery } from '@spooled/contracts';
import { Database, type Statement } from '@spooled/postgres';
import * as statements from './platform.sql.js';

export interface SummaryRow {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly plan_tier: string;
  readonly billing_email: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface DetailRow extends SummaryRow {
  readonly settings: Record<string, unknown>;
  readonly custom_limits: Record<string, unknown> | null;
}

export interface PlanCountRow {
  readonly plan_tier: string;
  readonly count: number;
  readonly created_today: number;
  readonly created_this_week: number;
}

/** Every organization there is, as the administrator sees them. */
@Injectable()
export class PlatformRepository {
  constructor(private readonly database: Database) {}

  async list(
    query: AdminListQuery,
  ): Promise<{ rows: (SummaryRow & { readonly api_keys: number })[]; total: number }> {
    const { plan_tier = null, search = null, limit, offset, sort_by, sort_order } = query;
    const filter = [plan_tier, search];
    return this.database.maintenance(async (tx) => {
      const [counted] = await tx.query<{ total: number }>(statements.count, filter);
      const rows = await tx.query<SummaryRow & { api_keys: number }>(
        statements.list[`${sort_by} ${sort_order}`],
        [...filter, limit, offset],
      );
      return { rows, total: counted!.total };
    });
  }

  async find(id: string): Promise<DetailRow | null> {
    const [row] = await this.#query<DetailRow>(statements.find, [id]);
    return row ?? null;
  }

  /** Live organizations by plan; plans without any are left out. */
  async stats(): Promise<PlanCountRow[]> {
    return this.#query<PlanCountRow>(statements.stats);
  }

  #query<R>(statement: Statement, values?: readonly unknown[]): Promise<R[]> {
    return this.database.maintenance((tx) => tx.query<R>(statement, values));
  }
}
