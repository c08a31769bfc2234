import type { Migration } from '@spooled/postgres';

const TENANT_TABLES = [
  'job',
  'job_ready',
  'job_deferred',
  'job_running',
  'job_finished',
  'job_progress',
  'job_log',
  'dead_letter',
  'idempotency_key',
  'queue',
  'counter_delta',
  'queue_counter',
  'queue_activity',
  'job_dependency',
  'workflow',
  'workflow_job',
  'queue_pace',
  'scheduled_queue',
  'daily_count',
];

/**
 * The same rows as before. `is true` keeps the planner from reading a table by this condition: it is every statement's, so
 * in a table that looks small a scan of all of the organization's rows seemed as good as a look-up by its keys.
 */
const policies = TENANT_TABLES.map(
  (table) => `
alter policy tenant on jobs.${table}
  using ((organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[])) is true);`,
).join('');

export const plansAndWaitsMigration: Migration = {
  name: '0003-plans-and-waits',
  up: `
${policies}

-- Since when a job waits that came back: from the dead letters, from a lease that was lost or given back. Null: since it
-- was made or became due.
alter table jobs.job_ready add column waits_since timestamptz;

-- With the id, so that it is never smaller than the primary key: the smaller index is taken for a look-up while the table
-- looks empty.
drop index jobs.job_running_by_worker;
create index job_running_by_worker on jobs.job_running (organization_id, worker_id, id);
`,
};
