import type { Transaction } from '@spooled/postgres';
import { Tally } from './domain/tally.js';
import { lockCounts, usage } from './quota.sql.js';

interface UsageRow {
  readonly organization_id: string;
  readonly jobs_today: number;
  readonly active_jobs: number;
  readonly queue_names: readonly string[];
  readonly workflows: number;
}

/**
 * What organizations use, for deciding what more they may. From the lock to the commit nobody else adds to their counts,
 * so what was decided holds. Call it before anything else that the transaction does.
 */
export async function holdCounts(
  transaction: Transaction,
  organizationIds: readonly string[],
): Promise<ReadonlyMap<string, Tally>> {
  transaction.send(lockCounts, [organizationIds]);
  return readCounts(transaction, organizationIds);
}

/** The same without holding anybody back: for showing. */
export async function readCounts(
  transaction: Transaction,
  organizationIds: readonly string[],
): Promise<ReadonlyMap<string, Tally>> {
  const rows = await transaction.query<UsageRow>(usage, [organizationIds]);
  return new Map(
    rows.map((row) => [
      row.organization_id,
      new Tally({
        jobsToday: row.jobs_today,
        activeJobs: row.active_jobs,
        queueNames: new Set(row.queue_names),
        workflows: row.workflows,
      }),
    ]),
  );
}
