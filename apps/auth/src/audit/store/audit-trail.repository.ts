import { Injectable } from '@nestjs/common';
import type { AuditQuery } from '@spooled/contracts';
import { Database } from '@spooled/postgres';
import { list } from './audit-trail.sql.js';

export interface AuditRow {
  readonly id: string;
  readonly occurred_at: Date;
  readonly actor_type: 'api_key' | 'admin' | 'system';
  readonly actor_id: string | null;
  readonly action: string;
  readonly target: string | null;
  readonly details: Record<string, unknown>;
}

/** Reads what `@spooled/audit` wrote. */
@Injectable()
export class AuditTrailRepository {
  constructor(private readonly database: Database) {}

  async list(organizationId: string, query: AuditQuery): Promise<AuditRow[]> {
    const { since = null, until = null, actor = null, action = null, limit, offset } = query;
    const values = [organizationId, since, until, actor, action, limit, offset];
    return this.database.query<AuditRow>([organizationId], list, values);
  }
}
