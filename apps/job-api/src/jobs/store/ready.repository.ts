import { Injectable } from '@nestjs/common';
import { Database } from '@spooled/postgres';
import type { WaitedFor } from '../work-signal.js';
import * as readySql from './ready.sql.js';

/** A lease by its keys. */
export interface LeaseKey {
  readonly organizationId: string;
  readonly jobId: string;
  readonly leaseId: string;
}

/** What those who wait for jobs ask, of all organizations at once. */
@Injectable()
export class ReadyRepository {
  constructor(private readonly database: Database) {}

  /** Those of the queues that have a job to claim now. */
  async withWork(queues: readonly WaitedFor[]): Promise<WaitedFor[]> {
    const rows = await this.database.query<{ organization_id: string; queue_name: string }>(
      distinct(queues),
      readySql.queuesWithWork,
      [
        queues.map(({ organizationId }) => organizationId),
        queues.map(({ queueName }) => queueName),
      ],
    );
    return rows.map((row) => ({ organizationId: row.organization_id, queueName: row.queue_name }));
  }

  /** Those of the leases that are over: settled, run out or superseded. */
  async over<L extends LeaseKey>(leases: readonly L[]): Promise<L[]> {
    const rows = await this.database.query<{ ord: number }>(
      distinct(leases),
      readySql.leasesThatHold,
      [
        leases.map(({ organizationId }) => organizationId),
        leases.map(({ jobId }) => jobId),
        leases.map(({ leaseId }) => leaseId),
      ],
    );
    const held = new Set(rows.map(({ ord }) => ord - 1));
    return leases.filter((_, index) => !held.has(index));
  }

  /** In milliseconds; 0 when no job is pending. */
  async oldestPendingAgeMs(organizationId: string, queueName: string): Promise<number> {
    const [row] = await this.database.query<{ age_ms: number | null }>(
      [organizationId],
      readySql.oldestPending,
      [organizationId, queueName],
    );
    return row?.age_ms ?? 0;
  }
}

function distinct(keys: readonly { readonly organizationId: string }[]): string[] {
  return [...new Set(keys.map(({ organizationId }) => organizationId))];
}
