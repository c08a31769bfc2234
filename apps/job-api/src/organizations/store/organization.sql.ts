import { OrganizationRows, sql } from '@spooled/postgres';

/** Everything that is kept of an organization; what can still be worked on first. */
export const rows = new OrganizationRows('jobs', [
  'scheduled_queue',
  'job_ready',
  'job_deferred',
  'job_running',
  'job_finished',
  'job',
  'idempotency_key',
  'job_dependency',
  'workflow_job',
  'workflow',
  'dead_letter',
  'job_progress',
  'job_log_count',
  'job_log',
  'job_tag',
  'job_attempt',
  'queue',
  'queue_pace',
  'counter_delta',
  'queue_counter',
  'queue_activity',
  'daily_count',
  'completion_webhook_organization',
]);

const TOTAL = 'pending + scheduled + processing + completed + deadletter + cancelled';

/** All jobs that are kept, of several organizations. */
export const totals = sql(
  'organizations.totals',
  `
  select o.organization_id,
    coalesce((select sum(${TOTAL}) from jobs.queue_counter c where c.organization_id = o.organization_id), 0)
    + coalesce((select sum(${TOTAL}) from jobs.counter_delta d where d.organization_id = o.organization_id), 0) as total
  from unnest($1::uuid[]) as o(organization_id)`,
);

/** Runs as maintenance. The counters have a row per queue, not per job. */
export const platform = sql(
  'organizations.platform',
  `
  with counts as (
    select pending, scheduled, processing from jobs.queue_counter
    union all
    select pending, scheduled, processing from jobs.counter_delta
  ),
  day as (
    select completed, deadletter from jobs.queue_activity where bucket > now() - interval '24 hours'
    union all
    select completed, deadletter from jobs.counter_delta where is_activity
  )
  select coalesce(sum(pending), 0)::bigint as pending, coalesce(sum(processing), 0)::bigint as processing,
    coalesce(sum(pending + scheduled + processing), 0)::bigint as active,
    (select coalesce(sum(completed), 0)::bigint from day) as completed_24h,
    (select coalesce(sum(deadletter), 0)::bigint from day) as failed_24h
  from counts`,
);

/**
 * Takes what was counted today off today's count: it is the sum of this row and of deltas that are folded into it later,
 * and those are also what activity is told from, so they stay.
 */
export const resetToday = sql(
  'organizations.reset-today',
  `
  insert into jobs.daily_count as d (organization_id, day, created)
  values ($1, (now() at time zone 'utc')::date, -$2::bigint)
  on conflict (organization_id, day) do update set created = d.created - $2::bigint`,
);
