import { sql } from '@spooled/postgres';
import { remembered } from './attempt.sql.js';
import { byKey } from './by-key.sql.js';

/**
 * The fence: the lease of this worker, current, not run out; and a queue the caller's key may use. `is true`: to be checked,
 * not to be looked up by; other indexes would do for that, and are read through while the table looks empty.
 */
const FENCE = `
  ${byKey('s', 'i')}
    and (s.worker_id = i.worker_id
      and (i.lease_id is null or s.lease_id::text = i.lease_id)
      and s.lease_expires_at > now()
      and (i.scope is null or s.queue_name = any (string_to_array(i.scope, ',')))) is true`;

/** Settles leases as completed. Leases that do not hold are left out of the answer. */
export const complete = sql(
  'jobs.complete',
  `
  with input as materialized (
    select distinct on (organization_id, id) *
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::json[]) with ordinality
      as i(organization_id, id, worker_id, lease_id, scope, result, ord)
    order by organization_id, id, ord
  ),
  gone as (
    delete from jobs.job_running s using input i where ${FENCE}
    returning i.ord, i.result as outcome, s.*, clock_timestamp() as at
  ),
  finished as (
    insert into jobs.job_finished (organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at,
      started_at, completed_at, worker_id, result, last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, 'completed', priority, retry_count, rev + 1, scheduled_at,
      started_at, at, worker_id, outcome, last_error, workflow_id, at
    from gone
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, processing, completed, processing_ms)
    select organization_id, queue_name, -count(*), count(*),
      sum(greatest(0, extract(epoch from at - started_at) * 1000))::bigint
    from gone group by organization_id, queue_name
  )
  select g.ord::int, g.organization_id, g.id, g.queue_name, g.rev + 1 as rev, g.worker_id, g.started_at, g.workflow_id, g.at
  from gone g`,
);

/**
 * Settles leases as failed: back to pending after a delay while there is budget, unless the worker says that another
 * try can not help; else to the dead letters.
 * $8 is the ladder of delays in milliseconds by retry count.
 */
export const fail = sql(
  'jobs.fail',
  `
  with input as materialized (
    select distinct on (organization_id, id) *
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $9::boolean[])
      with ordinality as i(organization_id, id, worker_id, lease_id, scope, error, jitter_ms, is_final, ord)
    order by organization_id, id, ord
  ),
  gone as (
    delete from jobs.job_running s using input i where ${FENCE}
    returning i.ord, i.error, i.is_final, s.*, clock_timestamp() as at,
      case when s.retry_count < s.max_retries and not i.is_final then
        now() + make_interval(secs =>
          (($8::int[])[least(s.retry_count + 1, array_length($8::int[], 1))] + i.jitter_ms) / 1000.0)
      end as retry_at
  ),
  deferred as (
    insert into jobs.job_deferred (organization_id, id, queue_name, priority, status, retry_count, rev, due_at,
      scheduled_at, expires_at, started_at, last_worker_id, last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, priority, 'pending', retry_count + 1, rev + 1, retry_at,
      retry_at, expires_at, started_at, worker_id, error, workflow_id, now()
    from gone where retry_at is not null
  ),
  ${remembered(`
    select organization_id, id, rev + 1, 'retry_scheduled', retry_count + 1, worker_id, started_at, at, error, retry_at
    from gone where retry_at is not null`)},
  finished as (
    insert into jobs.job_finished (organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at,
      started_at, completed_at, worker_id, last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, 'deadletter', priority, retry_count, rev + 1, scheduled_at,
      started_at, at, worker_id, error, workflow_id, at
    from gone where retry_at is null
  ),
  audited as (
    insert into jobs.dead_letter (organization_id, job_id, queue_name, reason, error, payload, created_at)
    select g.organization_id, g.id, g.queue_name, case when g.is_final then 'given up' else 'retries spent' end,
      g.error, j.payload, now()
    from gone g join jobs.job j on ${byKey('j', 'g')}
    where g.retry_at is null
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, processing, pending, deadletter)
    select organization_id, queue_name, -count(*), count(retry_at), count(*) - count(retry_at)
    from gone group by organization_id, queue_name
  )
  select g.ord::int, g.organization_id, g.id, g.queue_name, g.rev + 1 as rev, g.worker_id, g.retry_at, g.workflow_id, g.at,
    g.retry_count + (g.retry_at is not null)::int as retry_count
  from gone g`,
);

/**
 * Moves the end of leases to now + the given seconds. Several renewals of one lease are one change, that of the last;
 * every caller is answered.
 */
export const renew = sql(
  'jobs.renew',
  `
  with input as materialized (
    select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[]) with ordinality
      as i(organization_id, id, worker_id, lease_id, scope, lease_secs, ord)
  ),
  held as materialized (
    select i.ord, max(i.ord) over (partition by i.organization_id, i.id) as last
    from input i join jobs.job_running s on ${FENCE}
  ),
  moved as (
    update jobs.job_running s
    set lease_expires_at = now() + make_interval(secs => i.lease_secs), updated_at = now()
    from held h join input i on i.ord = h.last
    where h.ord = h.last and ${FENCE}
    returning i.ord, s.lease_expires_at
  )
  select h.ord::int, m.lease_expires_at from held h join moved m on m.ord = h.last`,
);

/** Why a lease did not hold: where the job is now and who holds or held it. */
export const diagnose = sql(
  'jobs.diagnose',
  `
  select i.ord::int, s.queue_name, s.status, s.worker_id
  from unnest($1::uuid[], $2::uuid[]) with ordinality as i(organization_id, id, ord)
  join jobs.job_state s on s.organization_id = i.organization_id and s.id = i.id`,
);

/**
 * Records the progress of a leased job. Reports of one job wait for each other, and the later one has the later time: by
 * `clock_timestamp`, which is read after the wait.
 */
export const report = sql(
  'jobs.report-progress',
  `
  with held as (
    select s.organization_id, s.id, s.queue_name from jobs.job_running s
    join (select $1::uuid as organization_id, $2::uuid as id, $3::text as worker_id, $4::text as lease_id, $5::text as scope) i
      on ${FENCE}
  ),
  reported as (
    insert into jobs.job_progress (organization_id, id, percent, message, updated_at)
    select organization_id, id, $6::real, $7::text, clock_timestamp() from held
    on conflict (organization_id, id) do update
      set percent = excluded.percent, message = excluded.message, updated_at = clock_timestamp()
    returning percent, message, updated_at as at
  )
  select h.queue_name, r.percent, r.message, r.at from reported r, held h`,
);

/**
 * Appends log lines to a leased job, and answers the number of the first one. The count of the job's lines is moved first:
 * calls for one job wait there for each other, and take their line numbers after the wait, so that both are in one order.
 */
export const appendLog = sql(
  'jobs.append-log',
  `
  with held as (
    select s.organization_id, s.id, s.queue_name from jobs.job_running s
    join (select $1::uuid as organization_id, $2::uuid as id, $3::text as worker_id, $4::text as lease_id, $5::text as scope) i
      on ${FENCE}
  ),
  counted as (
    insert into jobs.job_log_count as c (organization_id, id, lines)
    select organization_id, id, cardinality($6::text[]) from held
    on conflict (organization_id, id) do update set lines = c.lines + excluded.lines
    returning organization_id, id, lines - cardinality($6::text[]) as first, clock_timestamp() as at
  ),
  logged as (
    insert into jobs.job_log (organization_id, id, line, logged_at)
    select c.organization_id, c.id, l.line, c.at
    from counted c cross join unnest($6::text[]) with ordinality as l(line, ord)
    order by l.ord
  )
  select h.queue_name, c.first, c.at from counted c, held h`,
);
