import { Injectable } from '@nestjs/common';
import { recordAction } from '@spooled/audit';
import type { AuditActor } from '@spooled/contracts';
import { Database } from '@spooled/postgres';
import { holdCounts, readCounts } from '../../quotas/quotas.js';
import * as statements from './organization.sql.js';

export interface OrganizationUsage {
  readonly organizationId: string;
  readonly jobsToday: number;
  readonly activeJobs: number;
  readonly queues: number;
  readonly totalJobs: number;
}

export interface PlatformRow {
  readonly pending: number;
  readonly processing: number;
  readonly active: number;
  readonly completed_24h: number;
  readonly failed_24h: number;
}

/** Whole organizations, whatever they have here. */
@Injectable()
export class OrganizationRepository {
  constructor(private readonly database: Database) {}

  async usages(ids: readonly string[]): Promise<OrganizationUsage[]> {
    return this.database.transaction(ids, async (transaction) => {
      const tallies = await readCounts(transaction, ids);
      const rows = await transaction.query<{ organization_id: string; total: number }>(
        statements.totals,
        [[...tallies.keys()]],
      );
      return rows.map(({ organization_id: organizationId, total: totalJobs }) => {
        const { jobsToday, activeJobs, queueNames } = tallies.get(organizationId)!.counts;
        return { organizationId, jobsToday, activeJobs, queues: queueNames.size, totalJobs };
      });
    });
  }

  async platform(): Promise<PlatformRow> {
    const [row] = await this.database.maintenance((transaction) =>
      transaction.query<PlatformRow>(statements.platform),
    );
    return row!;
  }

  async resetUsage(organizationId: string, actor: AuditActor): Promise<void> {
    await this.database.transaction([organizationId], async (transaction) => {
      const tallies = await holdCounts(transaction, [organizationId]);
      const { jobsToday } = tallies.get(organizationId)!.counts;
      transaction.send(statements.resetToday, [organizationId, jobsToday]);
      const details = { jobs_today: jobsToday };
      recordAction(transaction, { organizationId, actor, action: 'usage.reset', details });
    });
  }

  /** Answers whether nothing is left; otherwise the time was too short for all. */
  forget(organizationId: string): Promise<boolean> {
    return statements.rows.delete(this.database, organizationId);
  }
}
