import type { JobStats } from '@spooled/contracts';
import type { Tenant } from './setup.js';

const STATES: Readonly<Record<string, string>> = {
  job_ready: "'pending'",
  job_deferred: 'status',
  job_running: "'processing'",
  job_finished: 'status',
};

/** Columns that name a job, of every table that may. */
const NAMING: readonly (readonly [table: string, column: string])[] = [
  ...Object.keys(STATES).map((table) => [table, 'id'] as const),
  ['job', 'id'],
  ['job_progress', 'id'],
  ['job_log', 'id'],
  ['job_log_count', 'id'],
  ['job_tag', 'id'],
  ['job_attempt', 'id'],
  ['dead_letter', 'job_id'],
  ['idempotency_key', 'job_id'],
  ['job_dependency', 'child_id'],
  ['job_dependency', 'parent_id'],
];

/** What is stored of these jobs, as `table.column`. */
export async function leftovers({ world }: Tenant, ids: readonly string[]): Promise<string[]> {
  const { rows } = await world.owner.query<{ place: string }>(
    NAMING.map(
      ([table, column]) =>
        `select '${table}.${column}' as place from jobs.${table} where ${column} = any ($1)`,
    ).join(' union all '),
    [ids],
  );
  return rows.map(({ place }) => place).sort();
}

/** The statistics as a full count of the rows has them. */
export async function fullCount(tenant: Tenant, queueName?: string): Promise<JobStats> {
  const { rows } = await tenant.world.owner.query<{ status: keyof JobStats; count: string }>(
    `select status, count(*) from (${Object.entries(STATES)
      .map(
        ([table, status]) =>
          `select organization_id, queue_name, ${status} as status from jobs.${table}`,
      )
      .join(' union all ')}) s
     where organization_id = $1 and ($2::text is null or queue_name = $2) group by status`,
    [tenant.organizationId, queueName ?? null],
  );
  const counts = Object.fromEntries(rows.map(({ status, count }) => [status, Number(count)]));
  const none = {
    pending: 0,
    scheduled: 0,
    processing: 0,
    completed: 0,
    failed: 0,
    deadletter: 0,
    cancelled: 0,
  };
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return { ...none, ...counts, total };
}
