import { sql } from '@spooled/postgres';

const COUNTS = ['pending', 'scheduled', 'processing', 'completed', 'deadletter', 'cancelled'];
const NO_COUNTS = COUNTS.map(() => '0').join(', ');
const TOTAL = COUNTS.map((name) => `sum(${name})`).join(' + ');
const IN_SCOPE = `organization_id = $1 and ($2::text[] is null or queue_name = any ($2))`;

/**
 * Exact counts of all queues together, and the busiest of them: those with a configuration, those that have jobs, those
 * that schedules feed. $2 scope, null = all. One grouping instead of a join: without hash joins (this room has none)
 * a join of two lists of queues compares each with each.
 */
export const counts = sql(
  'dashboard.counts',
  `
  with rows as (
    select queue_name, ${COUNTS.join(', ')}, null::boolean as enabled, false as is_known
    from jobs.queue_counter where ${IN_SCOPE}
    union all
    select queue_name, ${COUNTS.join(', ')}, null, false from jobs.counter_delta where ${IN_SCOPE}
    union all
    select queue_name, ${NO_COUNTS}, enabled, true from jobs.queue where ${IN_SCOPE}
    union all
    select queue_name, ${NO_COUNTS}, null, true from jobs.scheduled_queue where ${IN_SCOPE}
  ),
  queues as materialized (
    select queue_name as name, sum(pending)::bigint as pending, sum(processing)::bigint as processing,
      sum(deadletter)::bigint as deadletter, (${TOTAL})::bigint as total, not coalesce(bool_and(enabled), true) as paused
    from rows group by queue_name having bool_or(is_known) or ${TOTAL} > 0
  ),
  busiest as (
    select name, pending, processing, paused from queues order by pending + processing desc, name limit 20
  )
  select coalesce(sum(total), 0)::bigint as total, coalesce(sum(pending), 0)::bigint as pending,
    coalesce(sum(processing), 0)::bigint as processing, coalesce(sum(deadletter), 0)::bigint as deadletter,
    coalesce((select json_agg(b order by b.pending + b.processing desc, b.name) from busiest b), '[]') as queues
  from queues`,
);

/** What happened in the last 24 hours and in the last one, to ten minutes: that is what activity is kept by. */
export const activity = sql(
  'dashboard.activity',
  `
  with day as (
    select bucket as at, created, claimed, waiting_ms, completed, deadletter, processing_ms from jobs.queue_activity
    where ${IN_SCOPE} and bucket > now() - interval '24 hours'
    union all
    select at, created, claimed, waiting_ms, completed, deadletter, processing_ms from jobs.counter_delta
    where ${IN_SCOPE} and is_activity
  )
  select coalesce(sum(completed), 0)::bigint as completed, coalesce(sum(deadletter), 0)::bigint as deadletter,
    (sum(waiting_ms) / nullif(sum(claimed), 0))::float8 as waiting_ms,
    (sum(processing_ms) / nullif(sum(completed), 0))::float8 as processing_ms,
    coalesce(sum(created) filter (where at > now() - interval '1 hour'), 0)::bigint as created_1h,
    coalesce(sum(completed) filter (where at > now() - interval '1 hour'), 0)::bigint as completed_1h,
    coalesce(sum(deadletter) filter (where at > now() - interval '1 hour'), 0)::bigint as deadletter_1h
  from day`,
);
