import { sql } from '@spooled/postgres';

/**
 * Leases jobs to several callers at once. Callers of one queue get neighbouring slots `from_slot..to_slot` of what is
 * picked there, highest priority first, then in order of creation (ids are UUIDv7). A paused queue yields nothing; an
 * empty one costs one index probe. FOR UPDATE SKIP LOCKED keeps concurrent claims apart.
 *
 * A queue with a rate limit yields what is left of it in the last 51 fiftieths of a second, this one included:
 * one more than a second has, so that no second sees more than the limit. The lock on its pace makes claims of it,
 * wherever they run, come one after the other. Callers held back get a row without a job.
 */
export const claim = sql(
  'jobs.claim',
  `
  with request as materialized (
    select * from unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::text[], $6::int[]) with ordinality
      as r(organization_id, queue_name, from_slot, to_slot, worker_id, lease_secs, ord)
  ),
  want as materialized (
    select r.organization_id, r.queue_name, max(r.to_slot) as wanted, q.rate_limit
    from request r
    left join jobs.queue q on q.organization_id = r.organization_id and q.queue_name = r.queue_name
    where coalesce(q.enabled, true)
    group by r.organization_id, r.queue_name, q.rate_limit
  ),
  pace as materialized (
    select p.organization_id, p.queue_name, p.fiftieth, p.claimed,
      floor(extract(epoch from clock_timestamp()) * 50)::bigint as this_fiftieth
    from want w
    join jobs.queue_pace p on p.organization_id = w.organization_id and p.queue_name = w.queue_name
    where w.rate_limit is not null
    order by p.organization_id, p.queue_name
    for update of p
  ),
  allowed as materialized (
    select w.organization_id, w.queue_name, w.wanted,
      case when p.fiftieth is null then w.wanted else least(w.wanted, greatest(0, w.rate_limit - (
        select coalesce(sum(p.claimed[n % 51 + 1]), 0) from generate_series(p.this_fiftieth - 50, p.fiftieth) n)))
      end as slots
    from want w
    left join pace p on p.organization_id = w.organization_id and p.queue_name = w.queue_name
  ),
  picked as materialized (
    select p.organization_id, p.id,
      row_number() over (partition by p.organization_id, p.queue_name order by p.priority desc, p.id) as slot
    from allowed a
    cross join lateral (
      select organization_id, id, queue_name, priority
      from jobs.job_ready
      where organization_id = a.organization_id and queue_name = a.queue_name
        and (expires_at is null or expires_at > now())
      order by priority desc, id
      limit a.slots
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
      t.rev + 1 as rev, t.scheduled_at, t.expires_at, t.last_error, t.workflow_id, r.worker_id,
      gen_random_uuid() as lease_id, now() + make_interval(secs => r.lease_secs) as lease_expires_at,
      j.payload, j.timeout_seconds, j.tags, j.created_at, clock_timestamp() as at
    from taken t
    join request r on r.organization_id = t.organization_id and r.queue_name = t.queue_name
      and t.slot between r.from_slot and r.to_slot
    join jobs.job j on j.organization_id = t.organization_id and j.id = t.id
  ),
  running as (
    insert into jobs.job_running (organization_id, id, queue_name, priority, retry_count, max_retries, rev, scheduled_at,
      expires_at, started_at, worker_id, lease_id, lease_expires_at, last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, priority, retry_count, max_retries, rev, scheduled_at,
      expires_at, at, worker_id, lease_id, lease_expires_at, last_error, workflow_id, at
    from leased
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, pending, processing, claimed, waiting_ms)
    select organization_id, queue_name, -count(*), count(*), count(*),
      sum(greatest(0, extract(epoch from at - greatest(created_at, scheduled_at)) * 1000))::bigint
    from leased group by organization_id, queue_name
  ),
  paced as (
    update jobs.queue_pace q set fiftieth = p.this_fiftieth, claimed = array(
      select case when n <= p.fiftieth then p.claimed[n % 51 + 1] else 0 end
        + case when n = p.this_fiftieth then t.count::int else 0 end
      from generate_series(p.this_fiftieth - 50, p.this_fiftieth) n order by n % 51)
    from pace p
    join (select organization_id, queue_name, count(*) from leased group by organization_id, queue_name) t
      on t.organization_id = p.organization_id and t.queue_name = p.queue_name
    where q.organization_id = p.organization_id and q.queue_name = p.queue_name
  )
  select ord::int, organization_id, id, queue_name, priority, retry_count, max_retries, rev, worker_id, lease_id,
    lease_expires_at, payload, timeout_seconds, tags, created_at, workflow_id, at, slot
  from leased
  union all
  select r.ord::int, r.organization_id, null, r.queue_name, null, null, null, null, null, null,
    null, null, null, null, null, null, null, null
  from allowed a
  join request r on r.organization_id = a.organization_id and r.queue_name = a.queue_name
  where a.slots < a.wanted and r.from_slot > a.slots
  order by 1, 18`,
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
    returning i.ord, i.error, s.*, clock_timestamp() as at,
      case when s.retry_count < s.max_retries then
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
  finished as (
    insert into jobs.job_finished (organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at,
      started_at, completed_at, worker_id, last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, 'deadletter', priority, retry_count, rev + 1, scheduled_at,
      started_at, at, worker_id, error, workflow_id, at
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
    select i.ord, max(i.ord) over (partition by s.organization_id, s.id) as last
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
      last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, priority, retry_count, rev + 1, scheduled_at, expires_at, last_error,
      workflow_id, now()
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
