import { sql } from '@spooled/postgres';
import { FORGET_BELONGINGS, FORGET_DEPENDENCIES } from '../jobs/store/forget.sql.js';
import { remembered } from '../jobs/store/attempt.sql.js';
import { byKey } from '../jobs/store/by-key.sql.js';
import { cancelled } from '../jobs/store/cancelled.sql.js';

/**
 * Takes back the leases that `lost` picks. A lost lease costs a try: back to pending at once, or to the dead letters
 * when the budget is spent; `$2` false (the worker left on purpose) costs none. $1 limit. One statement per way of
 * picking, because each has an index of its own.
 */
function takeBack(name: string, lost: string, lock: string) {
  return sql(
    name,
    `
  with lost as materialized (
    select organization_id, id from jobs.job_running
    where ${lost}
    ${lock}
  ),
  gone as (
    delete from jobs.job_running s using lost l
    where ${byKey('s', 'l')}
    returning s.*, (not $2::boolean or s.retry_count < s.max_retries) as has_budget, clock_timestamp() as at
  ),
  ready as (
    insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, scheduled_at, waits_since,
      expires_at, started_at, last_worker_id, last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, priority, retry_count + $2::boolean::int, rev + 1, scheduled_at, at,
      expires_at, started_at, worker_id, case when $2 then 'Lease expired (worker timeout)' else last_error end, workflow_id, now()
    from gone where has_budget
  ),
  ${remembered(`
    select organization_id, id, rev + 1, case when $2 then 'retry_scheduled' else 'released' end, retry_count + 1, worker_id,
      started_at, at, case when $2 then 'Lease expired (worker timeout)' end, at
    from gone where has_budget`)},
  finished as (
    insert into jobs.job_finished (organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at,
      started_at, completed_at, worker_id, last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, 'deadletter', priority, retry_count, rev + 1, scheduled_at,
      started_at, at, worker_id, 'Lease expired (worker timeout)', workflow_id, at
    from gone where not has_budget
  ),
  audited as (
    insert into jobs.dead_letter (organization_id, job_id, queue_name, reason, error, payload, created_at)
    select g.organization_id, g.id, g.queue_name, 'lease expired', 'Lease expired (worker timeout)', j.payload, now()
    from gone g join jobs.job j on ${byKey('j', 'g')}
    where not g.has_budget
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, processing, pending, deadletter)
    select organization_id, queue_name, -count(*), count(*) filter (where has_budget), count(*) filter (where not has_budget)
    from gone group by organization_id, queue_name
  )
  select organization_id, id, queue_name, rev + 1 as rev, worker_id, has_budget, workflow_id, at from gone`,
  );
}

/** Leases that ran out. */
export const takeBackExpired = takeBack(
  'jobs.take-back-expired',
  'lease_expires_at <= now()',
  'limit $1 for update skip locked',
);

/** Leases of the worker $4 of the organization $3; of a worker that may be back, those it took until $5. */
export const takeBackFromWorker = takeBack(
  'jobs.take-back-from-worker',
  `organization_id = $3::uuid and worker_id = $4::text
    and ($5::timestamptz is null or started_at <= $5::timestamptz)`,
  // A lease that is being renewed at this moment is waited for: it is the worker's too.
  'order by organization_id, id limit $1 for update',
);

/** Makes jobs claimable whose time has come: scheduled ones, and those that backed off. */
export const stageDue = sql(
  'jobs.stage-due',
  `
  with due as materialized (
    select organization_id, id from jobs.job_deferred
    where waiting_on is null and due_at <= now()
    order by due_at
    limit $1
    for update skip locked
  ),
  gone as (
    delete from jobs.job_deferred s using due d
    where ${byKey('s', 'd')}
    returning s.*
  ),
  ready as (
    insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, scheduled_at, expires_at,
      started_at, last_worker_id, last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, priority, retry_count, rev + (status = 'scheduled')::int, scheduled_at, expires_at,
      started_at, last_worker_id, last_error, workflow_id, now()
    from gone order by due_at, id
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, scheduled, pending)
    select organization_id, queue_name, -count(*), count(*) from gone where status = 'scheduled'
    group by organization_id, queue_name
  )
  select organization_id, id, queue_name, status, rev + (status = 'scheduled')::int as rev, now() as at from gone`,
);

/** Milliseconds until the next job is due; null when none is. */
export const nextDue = sql(
  'jobs.next-due',
  `
  select (extract(epoch from min(due_at) - clock_timestamp()) * 1000)::float8 as delay_ms
  from jobs.job_deferred where waiting_on is null`,
);

/** Cancels jobs that were not begun before they expired. */
export const expire = sql(
  'jobs.expire',
  `
  with late_ready as materialized (
    select organization_id, id from jobs.job_ready where expires_at is not null and expires_at <= now()
    limit $1 for update skip locked
  ),
  late_deferred as materialized (
    select organization_id, id from jobs.job_deferred where expires_at is not null and expires_at <= now()
    limit $1 for update skip locked
  ),
  ready as (
    delete from jobs.job_ready s using late_ready l where ${byKey('s', 'l')}
    returning s.organization_id, s.id, s.queue_name, 'pending' as status, s.priority, s.retry_count, s.rev,
      s.scheduled_at, s.started_at, s.last_worker_id, s.workflow_id
  ),
  deferred as (
    delete from jobs.job_deferred s using late_deferred l where ${byKey('s', 'l')}
    returning s.organization_id, s.id, s.queue_name, s.status, s.priority, s.retry_count, s.rev,
      s.scheduled_at, s.started_at, s.last_worker_id, s.workflow_id
  ),
  gone as (select * from ready union all select * from deferred),
  ${cancelled('Job expired')}`,
);

/** Folds counter deltas into the counts of the queues, their activity, and the jobs of the day. */
export const foldCounters = sql(
  'jobs.fold-counters',
  `
  with gone as materialized (
    delete from jobs.counter_delta
    where ctid = any (array(select ctid from jobs.counter_delta limit 20000 for update skip locked))
    returning *
  ),
  counters as (
    insert into jobs.queue_counter as c (organization_id, queue_name, pending, scheduled, processing, completed, deadletter, cancelled)
    select organization_id, queue_name, sum(pending), sum(scheduled), sum(processing), sum(completed), sum(deadletter), sum(cancelled)
    from gone group by organization_id, queue_name order by organization_id, queue_name
    on conflict (organization_id, queue_name) do update set
      pending = c.pending + excluded.pending, scheduled = c.scheduled + excluded.scheduled,
      processing = c.processing + excluded.processing, completed = c.completed + excluded.completed,
      deadletter = c.deadletter + excluded.deadletter, cancelled = c.cancelled + excluded.cancelled
  ),
  activity as (
    insert into jobs.queue_activity as a (organization_id, queue_name, bucket, created, claimed, waiting_ms, completed,
      deadletter, processing_ms)
    select organization_id, queue_name, date_bin('10 minutes', at, timestamptz 'epoch') as bucket,
      sum(created), sum(claimed), sum(waiting_ms), sum(completed), sum(deadletter), sum(processing_ms)
    from gone where is_activity and (created, claimed, completed, deadletter) <> (0, 0, 0, 0)
    group by organization_id, queue_name, bucket order by organization_id, queue_name, bucket
    on conflict (organization_id, queue_name, bucket) do update set
      created = a.created + excluded.created, claimed = a.claimed + excluded.claimed,
      waiting_ms = a.waiting_ms + excluded.waiting_ms, completed = a.completed + excluded.completed,
      deadletter = a.deadletter + excluded.deadletter, processing_ms = a.processing_ms + excluded.processing_ms
  ),
  days as (
    insert into jobs.daily_count as d (organization_id, day, created)
    select organization_id, (at at time zone 'utc')::date as day, sum(created) from gone where created > 0
    group by organization_id, day order by organization_id, day
    on conflict (organization_id, day) do update set created = d.created + excluded.created
  )
  select count(*) as folded from gone`,
);

/**
 * Activity older than any window that is asked for; and the counts of queues that hold no job, unless somebody folds into
 * them at this moment. Deltas that are not folded yet make their row anew.
 */
export const pruneActivity = sql(
  'jobs.prune-activity',
  `
  with empty as (
    delete from jobs.queue_counter where ctid = any (array(
      select ctid from jobs.queue_counter
      where (pending, scheduled, processing, completed, deadletter, cancelled) = (0, 0, 0, 0, 0, 0)
      limit 10000
      for update skip locked))
  ),
  days as (delete from jobs.daily_count where day < (now() at time zone 'utc')::date - 1)
  delete from jobs.queue_activity where bucket < now() - interval '25 hours'`,
);

/** Organizations that have jobs, a page at a time. */
export const organizationsWithJobs = sql(
  'jobs.organizations-with-jobs',
  `
  select distinct organization_id from jobs.queue_counter
  where organization_id > $1
  order by organization_id limit 500`,
);

/** Forgets workflows that ended more than $2 days ago; their jobs can go then. */
export const pruneWorkflows = sql(
  'jobs.prune-workflows',
  `
  with old as materialized (
    select organization_id, id from jobs.workflow
    where organization_id = $1 and completed_at < now() - $2::float8 * interval '1 day'
    order by completed_at limit $3
    for update skip locked
  ),
  members as (
    delete from jobs.workflow_job m using old o where m.organization_id = o.organization_id and m.workflow_id = o.id
  ),
  gone as (
    delete from jobs.workflow w using old o where w.organization_id = o.organization_id and w.id = o.id returning w.id
  )
  select count(*) as pruned from gone`,
);

/** Forgets jobs that finished more than $2 days ago, a bounded batch at a time, with everything that belongs to them. */
export const pruneFinished = sql(
  'jobs.prune-finished',
  `
  with old as materialized (
    select organization_id, id from jobs.job_finished
    where organization_id = $1 and completed_at < now() - $2::float8 * interval '1 day'
      and (workflow_id is null or not exists (
        select from jobs.workflow w where w.organization_id = job_finished.organization_id and w.id = workflow_id))
    order by completed_at limit $3
    for update skip locked
  ),
  gone as (
    delete from jobs.job_finished s using old o where ${byKey('s', 'o')}
    returning s.organization_id, s.id, s.queue_name, s.status
  ),
  ${FORGET_BELONGINGS},
  ${FORGET_DEPENDENCIES}
  select count(*) as pruned from gone`,
);

/**
 * What Prometheus shows of the stored state. The oldest claimable job is looked for at the head of each queue and
 * priority, an index probe each: the table may hold millions. A job waits since it was made, became due or
 * came back, whichever is the latest, as claims count it too; not since its row changed, which happens without anybody claiming it.
 */
export const gauges = sql(
  'jobs.gauges',
  `
  with recursive head as (
    (select organization_id, queue_name, priority, id, scheduled_at, waits_since from jobs.job_ready
     order by organization_id, queue_name, priority desc, id limit 1)
    union all
    select n.* from head h cross join lateral (
      (select organization_id, queue_name, priority, id, scheduled_at, waits_since from jobs.job_ready
       where organization_id = h.organization_id and queue_name = h.queue_name and priority < h.priority
       order by organization_id, queue_name, priority desc, id limit 1)
      union all
      (select organization_id, queue_name, priority, id, scheduled_at, waits_since from jobs.job_ready
       where (organization_id, queue_name) > (h.organization_id, h.queue_name)
       order by organization_id, queue_name, priority desc, id limit 1)
      limit 1
    ) n
  ),
  oldest as (
    select min(greatest(j.created_at, h.scheduled_at, h.waits_since)) as since
    from head h join jobs.job j on j.organization_id = h.organization_id and j.id = h.id
  )
  select
    coalesce((select sum(pending) from jobs.queue_counter), 0) + coalesce((select sum(pending) from jobs.counter_delta), 0) as pending,
    coalesce((select sum(processing) from jobs.queue_counter), 0) + coalesce((select sum(processing) from jobs.counter_delta), 0) as processing,
    coalesce(extract(epoch from now() - (select since from oldest)), 0)::float8 as oldest_due_seconds`,
);
