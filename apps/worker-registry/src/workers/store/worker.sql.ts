import { sql } from '@spooled/postgres';

const columns = `organization_id, id, queue_name, hostname, worker_type, version, max_concurrency, current_jobs,
  metadata, status, ended, last_heartbeat, registered_at, updated_at`;

/**
 * Makes everything that takes a slot of one organization come one after the other, until commit. A lock on a row would
 * need a row that is there before the first worker.
 */
export const lockSlots = sql(
  'workers.lock-slots',
  `select pg_advisory_xact_lock(hashtextextended('workers.slots ' || $1::uuid, 0))`,
);

/** Workers that take a slot. Its own statement: one that waited for the lock would count as of before the wait. */
export const countSlots = sql(
  'workers.count-slots',
  `select count(*) as taken from workers.worker
   where organization_id = $1 and ended is null and status in ('healthy', 'degraded')`,
);

/** Claims a worker id. Does nothing when it is claimed already, by whomever; waits for a claim under way. */
export const claimId = sql(
  'workers.claim-id',
  `insert into workers.worker_owner (worker_id, organization_id) values ($1, $2)
   on conflict (worker_id) do nothing`,
);

/** Whether the id is this organization's: row-level security hides a stranger's. The lock keeps the pruner away. */
export const ownsId = sql(
  'workers.owns-id',
  `select 1 as owned from workers.worker_owner where worker_id = $1 and organization_id = $2 for share`,
);

export const find = sql(
  'workers.find',
  `select ${columns} from workers.worker where organization_id = $1 and id = $2`,
);

export const lock = sql(
  'workers.lock',
  `select ${columns} from workers.worker where organization_id = $1 and id = $2 for update`,
);

/** Newest heartbeat first; $2 names the queues to look at, null = every queue. */
export const list = sql(
  'workers.list',
  `select ${columns} from workers.worker
   where organization_id = $1 and ($2::text[] is null or queue_name = any ($2))
   order by last_heartbeat desc, id
   limit 100`,
);

export const countHealthy = sql(
  'workers.count-healthy',
  `select count(*) as healthy from workers.worker
   where organization_id = $1 and queue_name = $2 and ended is null and status = 'healthy'`,
);

/** The same, and when a worker of the queue was last heard of, whether it still is registered or not. */
export const presence = sql(
  'workers.presence',
  `select count(*) filter (where ended is null and status = 'healthy') as healthy, max(last_heartbeat) as last_seen_at
   from workers.worker where organization_id = $1 and queue_name = $2`,
);

/** $2 names the queues to look at, null = every queue. */
export const summarize = sql(
  'workers.summarize',
  `select count(*) as total,
     count(*) filter (where status = 'healthy') as healthy,
     count(*) filter (where status in ('healthy', 'degraded')) as counted
   from workers.worker
   where organization_id = $1 and ended is null and ($2::text[] is null or queue_name = any ($2))`,
);

/** Those that plans count, of several organizations. */
export const usages = sql(
  'workers.usages',
  `select o.organization_id, count(w.id) as workers
   from unnest($1::uuid[]) as o (organization_id)
   left join workers.worker w on w.organization_id = o.organization_id
     and w.ended is null and w.status in ('healthy', 'degraded')
   group by o.organization_id`,
);

/** Of all organizations. Runs as maintenance, over the index of the live workers. */
export const countEverywhere = sql(
  'workers.count-everywhere',
  `select count(*) as total,
     count(*) filter (where status <> 'offline') as active,
     count(*) filter (where status = 'healthy') as healthy,
     count(*) filter (where status = 'degraded') as degraded
   from workers.worker
   where ended is null`,
);

/**
 * Writes a registration, the first or a further one. A further one begins a new life: no jobs, healthy, and nothing to
 * give back any more, since a late release would take the jobs of the new life; leases of the old one run out.
 */
export const register = sql(
  'workers.register',
  `insert into workers.worker
     (organization_id, id, queue_name, hostname, worker_type, version, max_concurrency, metadata)
   values ($1, $2, $3, $4, $5, $6, $7, $8)
   on conflict (organization_id, id) do update
   set queue_name = excluded.queue_name, hostname = excluded.hostname,
       worker_type = excluded.worker_type, version = excluded.version,
       max_concurrency = excluded.max_concurrency, metadata = excluded.metadata,
       status = 'healthy', current_jobs = 0, ended = null, release_cause = null, release_since = null,
       last_heartbeat = now(), updated_at = now()
   returning ${columns}`,
);

/**
 * Takes reports: organizations, ids, statuses, job counts, metadata (null = keep), and whether the report may take a
 * slot that its worker does not have. Draining outlasts every report: the worker was told to finish, and a report
 * that crossed that order must not undo it. A stale worker comes back, with its slot and its jobs. Who deregistered
 * must register again, or a report that crossed the deregistration would undo it. Rows are locked in one order, so
 * that batches of several instances cannot wait for each other in a ring. Answers every known worker.
 */
export const report = sql(
  'workers.report',
  `with reported as (
     select * from unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::jsonb[], $6::boolean[])
       as r (organization_id, id, status, current_jobs, metadata, may_take_slot)
   ), held as (
     select w.organization_id, w.id, w.ended, w.queue_name, r.current_jobs, r.metadata, r.may_take_slot,
       case when w.status = 'draining' then 'draining' else r.status end as next,
       w.status in ('healthy', 'degraded') or w.ended is not distinct from 'stale' as has_slot
     from workers.worker w
     join reported r on r.organization_id = w.organization_id and r.id = w.id
     order by w.organization_id, w.id
     for no key update of w
   ), judged as (
     select *, case
       when ended = 'requested' then 'ended'
       when next in ('healthy', 'degraded') and not has_slot and not may_take_slot then 'needs-slot'
       else 'taken' end as verdict
     from held
   ), written as (
     update workers.worker w
     set status = j.next,
         current_jobs = j.current_jobs,
         metadata = coalesce(j.metadata, w.metadata),
         ended = case when j.next = 'offline' then w.ended end,
         release_cause = case when j.next = 'offline' then w.release_cause end,
         release_since = case when j.next = 'offline' then w.release_since end,
         last_heartbeat = now(),
         updated_at = now()
     from judged j
     where w.organization_id = j.organization_id and w.id = j.id and j.verdict = 'taken'
   )
   select organization_id, id, verdict, queue_name, next as status, now() as at from judged`,
);

/** As text, because a `Date` would lose the microseconds that tell one end of a worker from the next. */
const releaseSince = `to_char(w.release_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as release_since`;

/**
 * Ends a worker that asked for it; its jobs are to be given back. Zero rows when it had ended before. The release takes
 * what was leased before `release_since`, by the clock: the beginning of this transaction, which may have waited for the
 * row since, would be too early, and a new life of the worker begins only after its commit.
 */
export const deregister = sql(
  'workers.deregister',
  `update workers.worker w
   set status = 'offline', ended = 'requested', current_jobs = 0, updated_at = now(),
       release_cause = 'requested', release_since = clock_timestamp()
   where organization_id = $1 and id = $2 and ended is null
   returning organization_id, id, queue_name, ${releaseSince}, updated_at`,
);

/** A worker that was swept as stale says goodbye: it must not come back by a late report. */
export const confirmEnd = sql(
  'workers.confirm-end',
  `update workers.worker set ended = 'requested', updated_at = now()
   where organization_id = $1 and id = $2 and ended = 'stale'`,
);

/**
 * Ends workers that were silent for $1 seconds, as `deregister` does. What another transaction holds is not silent, or
 * being swept.
 */
export const sweepStale = sql(
  'workers.sweep-stale',
  `with silent as (
     select organization_id, id from workers.worker
     where ended is null and last_heartbeat < now() - make_interval(secs => $1)
     order by organization_id, id
     limit 500
     for update skip locked
   )
   update workers.worker w
   set status = 'offline', ended = 'stale', current_jobs = 0, updated_at = now(),
       release_cause = 'stale', release_since = clock_timestamp()
   from silent s
   where w.organization_id = s.organization_id and w.id = s.id
   returning w.organization_id, w.id, w.queue_name, w.updated_at`,
);

/** Whose jobs are still to be given back, oldest first. */
export const pendingReleases = sql(
  'workers.pending-releases',
  `select organization_id, id, release_cause, ${releaseSince}
   from workers.worker w
   where w.release_cause is not null
   order by w.release_since
   limit 200`,
);

/** The jobs were given back. $3 tells the mark from one that was made since. */
export const released = sql(
  'workers.released',
  `update workers.worker set release_cause = null, release_since = null
   where organization_id = $1 and id = $2 and release_since = $3::timestamptz`,
);

/** Forgets workers that ended more than $1 days ago, with their claim on the id. Waits for nobody. */
export const prune = sql(
  'workers.prune',
  `with old as (
     select w.organization_id, w.id
     from workers.worker w
     join workers.worker_owner o on o.worker_id = w.id
     where w.ended is not null and w.release_cause is null
       and w.updated_at < now() - make_interval(days => $1)
     limit 500
     for update of o, w skip locked
   ), freed as (
     delete from workers.worker_owner o using old where o.worker_id = old.id
   )
   delete from workers.worker w using old
   where w.organization_id = old.organization_id and w.id = old.id
   returning w.id`,
);

/** All there is of an organization, its worker ids included: others may take them. Runs as maintenance. */
export const forget = sql(
  'workers.forget',
  `with owners as (delete from workers.worker_owner where organization_id = $1)
   delete from workers.worker where organization_id = $1`,
);
