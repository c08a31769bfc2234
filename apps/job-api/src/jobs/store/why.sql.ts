import { MAX_COUNTED_AHEAD, MAX_NAMED_DEPENDENCIES } from '@spooled/contracts';
import { sql } from '@spooled/postgres';
import { byKey } from './by-key.sql.js';

/** The job $3 with what holds it back by itself. $2 queue scope, null = all. */
export const job = sql(
  'why.job',
  `
  select s.id, s.queue_name, s.status, s.priority, s.retry_count, j.max_retries, d.due_at, d.waiting_on,
    coalesce(r.expires_at, d.expires_at) as expires_at, j.dependency_mode, s.started_at, s.completed_at, s.worker_id,
    s.lease_expires_at, s.last_error, l.reason as dead_letter_reason, coalesce(not q.enabled, false) as is_queue_paused,
    q.rate_limit, now() as at
  from jobs.job_state s
  join jobs.job j on j.organization_id = s.organization_id and j.id = s.id
  left join jobs.job_ready r on r.organization_id = s.organization_id and r.id = s.id
  left join jobs.job_deferred d on d.organization_id = s.organization_id and d.id = s.id
  left join jobs.dead_letter l on l.organization_id = s.organization_id and l.job_id = s.id
  left join jobs.queue q on q.organization_id = s.organization_id and q.queue_name = s.queue_name
  where s.organization_id = $1 and ($2::text[] is null or s.queue_name = any ($2)) and s.id = $3`,
);

/** How many dependencies the job $3 has, and the first of those that have not ended; $2 scope of those that are named. */
export const dependencies = sql(
  'why.dependencies',
  `
  select (select count(*) from jobs.job_dependency where organization_id = $1 and child_id = $3) as total, array(
    select d.id
    from (
      select organization_id, parent_id as id from jobs.job_dependency where organization_id = $1 and child_id = $3
    ) d
    cross join lateral (
      -- Looked up for each: as a join it is read as a whole while it looks empty.
      select from jobs.job j
      where j.organization_id = d.organization_id and j.id = d.id and ($2::text[] is null or j.queue_name = any ($2))
      offset 0
    ) visible
    where not exists (select from jobs.job_finished f where ${byKey('f', 'd')})
    order by d.id limit ${MAX_NAMED_DEPENDENCIES}) as ids`,
);

const AHEAD = MAX_COUNTED_AHEAD + 1;

/**
 * What is before the place $3 (priority), $4 (id) of the queue $2, as claims go through it, counted to a bound; what is
 * leased from the queue; and what was claimed in the last second, of a queue with a rate limit.
 */
export const queue = sql(
  'why.queue',
  `
  select
    (select count(*) from (
      (select from jobs.job_ready where organization_id = $1 and queue_name = $2 and priority > $3 limit ${AHEAD})
      union all
      (select from jobs.job_ready where organization_id = $1 and queue_name = $2 and priority = $3 and id < $4 limit ${AHEAD})
      limit ${AHEAD}) ahead) as ahead,
    coalesce((select processing from jobs.queue_counter where organization_id = $1 and queue_name = $2), 0)
    + coalesce((select sum(processing) from jobs.counter_delta where organization_id = $1 and queue_name = $2), 0)
      as processing,
    coalesce((
      select sum(p.claimed[n % 51 + 1]) from jobs.queue_pace p
      cross join generate_series(floor(extract(epoch from clock_timestamp()) * 50)::bigint - 50, p.fiftieth) n
      where p.organization_id = $1 and p.queue_name = $2), 0) as claimed_last_second`,
);
