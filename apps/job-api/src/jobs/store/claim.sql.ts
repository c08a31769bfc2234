import { sql } from '@spooled/postgres';
import { remembered } from './attempt.sql.js';
import { byKey } from './by-key.sql.js';

/**
 * The next jobs of the queue `a` in a part of its order that is one range of the index. Two such parts are all that follows
 * a place: the rest of its priority, then the lower ones.
 */
const head = (part: string, order: string): string => `
        select * from (
          select organization_id, id, queue_name, priority from jobs.job_ready
          where organization_id = a.organization_id and queue_name = a.queue_name and ${part}
            and (expires_at is null or expires_at > now())
          order by ${order} limit a.slots
          for update skip locked
        ) part`;

/**
 * Leases jobs to several callers at once. Callers of one queue get neighbouring slots `from_slot..to_slot` of what is
 * picked there, highest priority first, then in order of creation (ids are UUIDv7). A paused queue yields nothing; an
 * empty one costs two index probes. FOR UPDATE SKIP LOCKED keeps concurrent claims apart. A look begins behind the place
 * `after_priority`, `after_id`, the same for all callers of a queue: see `QueueHeads`.
 *
 * A queue with a rate limit yields what is left of it in the last 51 fiftieths of a second, this one included:
 * one more than a second has, so that no second sees more than the limit. The lock on its pace makes claims of it,
 * wherever they run, come one after the other. Callers held back get a row without a job.
 */
export const claim = sql(
  'jobs.claim',
  `
  with request as materialized (
    select * from unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::text[], $6::int[], $7::smallint[], $8::uuid[])
      with ordinality
      as r(organization_id, queue_name, from_slot, to_slot, worker_id, lease_secs, after_priority, after_id, ord)
  ),
  want as materialized (
    select r.organization_id, r.queue_name, max(r.to_slot) as wanted, q.rate_limit, r.after_priority, r.after_id
    from request r
    left join jobs.queue q on q.organization_id = r.organization_id and q.queue_name = r.queue_name
    where coalesce(q.enabled, true)
    group by r.organization_id, r.queue_name, q.rate_limit, r.after_priority, r.after_id
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
    select w.organization_id, w.queue_name, w.wanted, w.after_priority, w.after_id,
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
      select * from (
        ${head('priority = a.after_priority and id > a.after_id', 'id')}
        union all
        ${head('priority < a.after_priority', 'priority desc, id')}
      ) s limit a.slots
    ) p
  ),
  taken as (
    delete from jobs.job_ready s using picked p
    where ${byKey('s', 'p')}
    returning s.*, p.slot
  ),
  leased as materialized (
    select r.ord, t.slot, t.organization_id, t.id, t.queue_name, t.priority, t.retry_count, j.max_retries,
      t.rev + 1 as rev, t.scheduled_at, t.waits_since, t.expires_at, t.last_error, t.workflow_id,
      r.worker_id,
      gen_random_uuid() as lease_id, now() + make_interval(secs => r.lease_secs) as lease_expires_at,
      j.payload, j.timeout_seconds, j.tags, j.created_at, j.idempotency_key, j.traceparent, clock_timestamp() as at
    from taken t
    join request r on r.organization_id = t.organization_id and r.queue_name = t.queue_name
      and t.slot between r.from_slot and r.to_slot
    join jobs.job j on ${byKey('j', 't')}
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
      sum(greatest(0, extract(epoch from at - greatest(created_at, scheduled_at, waits_since)) * 1000))::bigint
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
    lease_expires_at, payload, timeout_seconds, tags, created_at, workflow_id, at, slot, scheduled_at, last_error,
    idempotency_key, traceparent
  from leased
  union all
  select r.ord::int, r.organization_id, null, r.queue_name, null, null, null, null, null, null,
    null, null, null, null, null, null, null, null, null, null, null, null
  from allowed a
  join request r on r.organization_id = a.organization_id and r.queue_name = a.queue_name
  where a.slots < a.wanted and r.from_slot > a.slots
  order by 1, 18`,
);

/** Gives back what was leased but never reached its worker: pending again, the retry count untouched. */
export const unclaim = sql(
  'jobs.unclaim',
  `
  with gone as (
    delete from jobs.job_running s
    using unnest($1::uuid[], $2::uuid[], $3::uuid[]) as i(organization_id, id, lease_id)
    where ${byKey('s', 'i')} and s.lease_id = i.lease_id
    returning s.*
  ),
  ready as (
    insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, scheduled_at, waits_since,
      expires_at, last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, priority, retry_count, rev + 1, scheduled_at, now(), expires_at,
      last_error, workflow_id, now()
    from gone
  ),
  ${remembered(`
    select organization_id, id, rev + 1, 'released', retry_count + 1, worker_id, started_at, now(), null, now() from gone`)},
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, processing, pending)
    select organization_id, queue_name, -count(*), count(*) from gone group by organization_id, queue_name
  )
  select organization_id, id, queue_name, rev + 1 as rev, worker_id, now() as at from gone`,
);
