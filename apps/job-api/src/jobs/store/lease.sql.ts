import { sql } from '@spooled/postgres';

/**
 * Leases jobs to several callers at once. Callers of one queue get neighbouring slots `from_slot..to_slot` of what is
 * picked there, highest priority first, then in order of creation (ids are UUIDv7). A paused queue yields nothing; an
 * empty one costs one index probe. FOR UPDATE SKIP LOCKED keeps concurrent claims apart.
 */
export const claim = sql(
  'jobs.claim',
  `
  with request as materialized (
    select * from unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::text[], $6::int[]) with ordinality
      as r(organization_id, queue_name, from_slot, to_slot, worker_id, lease_secs, ord)
  ),
  want as materialized (
    select r.organization_id, r.queue_name, max(r.to_slot) as wanted
    from request r
    where not exists (
      select from jobs.queue q
      where q.organization_id = r.organization_id and q.queue_name = r.queue_name and not q.enabled)
    group by r.organization_id, r.queue_name
  ),
  picked as materialized (
    select p.organization_id, p.id,
      row_number() over (partition by p.organization_id, p.queue_name order by p.priority desc, p.id) as slot
    from want w
    cross join lateral (
      select organization_id, id, queue_name, priority
      from jobs.job_ready
      where organization_id = w.organization_id and queue_name = w.queue_name
        and (expires_at is null or expires_at > now())
      order by priority desc, id
      limit w.wanted
      for update skip locked
    ) p
  ),
  taken as (
    delete from jobs.job_ready s using picked p
    where s.organization_id = p.organization_id and s.id = p.id
    returning s.*, p.slot
  ),
  leased as materialized (
    select r.ord, t.slot, t.organization_id, t.id, t.queue_name, t.priority, t.retry_count, j.max_retries,
      t.rev + 1 as rev, t.scheduled_at, t.expires_at, t.last_error, r.worker_id,
      gen_random_uuid() as lease_id, now() + make_interval(secs => r.lease_secs) as lease_expires_at,
      j.payload, j.timeout_seconds, j.tags, j.created_at
    from taken t
    join request r on r.organization_id = t.organization_id and r.queue_name = t.queue_name
      and t.slot between r.from_slot and r.to_slot
    join jobs.job j on j.organization_id = t.organization_id and j.id = t.id
  ),
  running as (
    insert into jobs.job_running (organization_id, id, queue_name, priority, retry_count, max_retries, rev, scheduled_at,
      expires_at, started_at, worker_id, lease_id, lease_expires_at, last_error, updated_at)
    select organization_id, id, queue_name, priority, retry_count, max_retries, rev, scheduled_at,
      expires_at, now(), worker_id, lease_id, lease_expires_at, last_error, now()
    from leased
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, pending, processing)
    select organization_id, queue_name, -count(*), count(*) from leased group by organization_id, queue_name
  )
  select ord::int, organization_id, id, queue_name, priority, retry_count, max_retries, rev, worker_id, lease_id,
    lease_expires_at, payload, timeout_seconds, tags, created_at, now() as at
  from leased order by ord, slot`,
);

/** The fence: the lease of this worker, current, not run out; and a queue the caller's key may use. */
const FENCE = `
  s.organization_id = i.organization_id and s.id = i.id and s.worker_id = i.worker_id
    and (i.lease_id is null or s.lease_id::text = i.lease_id)
    and s.lease_expires_at > now()
    and (i.scope is null or s.queue_name = any (string_to_array(i.scope, ',')))`;

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
    returning i.ord, i.result as outcome, s.*
  ),
  finished as (
    insert into jobs.job_finished (organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at,
      started_at, completed_at, worker_id, result, last_error, updated_at)
    select organization_id, id, queue_name, 'completed', priority, retry_count, rev + 1, scheduled_at,
      started_at, now(), worker_id, outcome, last_error, now()
    from gone
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, processing, completed, processing_ms)
    select organization_id, queue_name, -count(*), count(*),
      sum(greatest(0, extract(epoch from now() - started_at) * 1000))::bigint
    from gone group by organization_id, queue_name
  )
  select g.ord::int, g.organization_id, g.id, g.queue_name, g.rev + 1 as rev, g.worker_id, g.started_at, now() as at
  from gone g`,
);

/**
 * Settles leases as failed: back to pending after a delay while there is budget, else to the dead letters.
 * $8 is the ladder of delays in milliseconds by retry count.
 */
export const fail = sql(
  'jobs.fail',
  `
  with input as materialized (
    select distinct on (organization_id, id) *
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[]) with ordinality
      as i(organization_id, id, worker_id, lease_id, scope, error, jitter_ms, ord)
    order by organization_id, id, ord
  ),
  gone as (
    delete from jobs.job_running s using input i where ${FENCE}
    returning i.ord, i.error, s.*,
      case when s.retry_count < s.max_retries then
        now() + make_interval(secs =>
          (($8::int[])[least(s.retry_count + 1, array_length($8::int[], 1))] + i.jitter_ms) / 1000.0)
      end as retry_at
  ),
  deferred as (
    insert into jobs.job_deferred (organization_id, id, queue_name, priority, status, retry_count, rev, due_at,
      scheduled_at, expires_at, started_at, last_worker_id, last_error, updated_at)
    select organization_id, id, queue_name, priority, 'pending', retry_count + 1, rev + 1, retry_at,
      retry_at, expires_at, started_at, worker_id, error, now()
    from gone where retry_at is not null
  ),
  finished as (
    insert into jobs.job_finished (organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at,
      started_at, completed_at, worker_id, last_error, updated_at)
    select organization_id, id, queue_name, 'deadletter', priority, retry_count, rev + 1, scheduled_at,
      started_at, now(), worker_id, error, now()
    from gone where retry_at is null
  ),
  audited as (
    insert into jobs.dead_letter (organization_id, job_id, queue_name, reason, error, payload, created_at)
    select g.organization_id, g.id, g.queue_name, 'retries spent', g.error, j.payload, now()
    from gone g join jobs.job j on j.organization_id = g.organization_id and j.id = g.id
    where g.retry_at is null
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, processing, pending, deadletter)
    select organization_id, queue_name, -count(*), count(retry_at), count(*) - count(retry_at)
    from gone group by organization_id, queue_name
  )
  select g.ord::int, g.organization_id, g.id, g.queue_name, g.rev + 1 as rev, g.worker_id, g.retry_at, now() as at,
    g.retry_count + (g.retry_at is not null)::int as retry_count
  from gone g`,
);

/** Moves the end of leases to now + the given seconds. */
export const renew = sql(
  'jobs.renew',
  `
  update jobs.job_running s
  set lease_expires_at = now() + make_interval(secs => i.lease_secs), updated_at = now()
  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[]) with ordinality
    as i(organization_id, id, worker_id, lease_id, scope, lease_secs, ord)
  where ${FENCE}
  returning i.ord::int, s.lease_expires_at`,
);

/** Why a lease did not hold: where the job is now and who holds or held it. */
export const diagnose = sql(
  'jobs.diagnose',
  `
  select i.ord::int, s.queue_name, s.status, s.worker_id
  from unnest($1::uuid[], $2::uuid[]) with ordinality as i(organization_id, id, ord)
  join jobs.job_state s on s.organization_id = i.organization_id and s.id = i.id`,
);

/** Gives back what was leased but never reached its worker: pending again, the retry count untouched. */
export const unclaim = sql(
  'jobs.unclaim',
  `
  with gone as (
    delete from jobs.job_running s
    using unnest($1::uuid[], $2::uuid[], $3::uuid[]) as i(organization_id, id, lease_id)
    where s.organization_id = i.organization_id and s.id = i.id and s.lease_id = i.lease_id
    returning s.*
  ),
  ready as (
    insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, scheduled_at, expires_at,
      last_error, updated_at)
    select organization_id, id, queue_name, priority, retry_count, rev + 1, scheduled_at, expires_at, last_error, now()
    from gone
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, processing, pending)
    select organization_id, queue_name, -count(*), count(*) from gone group by organization_id, queue_name
  )
  select organization_id, id, queue_name, rev + 1 as rev, worker_id, now() as at from gone`,
);

/** Records the progress of a leased job. */
export const report = sql(
  'jobs.report-progress',
  `
  with held as (
    select s.organization_id, s.id from jobs.job_running s
    join (select $1::uuid as organization_id, $2::uuid as id, $3::text as worker_id, $4::text as lease_id, $5::text as scope) i
      on ${FENCE}
  )
  insert into jobs.job_progress (organization_id, id, percent, message, updated_at)
  select organization_id, id, $6::real, $7::text, now() from held
  on conflict (organization_id, id) do update
    set percent = excluded.percent, message = excluded.message, updated_at = excluded.updated_at
  returning id`,
);

/** Appends log lines to a leased job. */
export const appendLog = sql(
  'jobs.append-log',
  `
  with held as (
    select s.organization_id, s.id from jobs.job_running s
    join (select $1::uuid as organization_id, $2::uuid as id, $3::text as worker_id, $4::text as lease_id, $5::text as scope) i
      on ${FENCE}
  )
  insert into jobs.job_log (organization_id, id, line, logged_at)
  select h.organization_id, h.id, l.line, now()
  from held h cross join unnest($6::text[]) with ordinality as l(line, ord)
  order by l.ord
  returning id`,
);
