import { sql } from '@spooled/postgres';

/** Which of these queues have a job to claim now: one index probe each. Paused ones have none. */
export const queuesWithWork = sql(
  'jobs.queues-with-work',
  `
  select w.organization_id, w.queue_name
  from unnest($1::uuid[], $2::text[]) as w(organization_id, queue_name)
  left join jobs.queue q on q.organization_id = w.organization_id and q.queue_name = w.queue_name
  cross join lateral (
    select 1 from jobs.job_ready s
    where s.organization_id = w.organization_id and s.queue_name = w.queue_name
      and (s.expires_at is null or s.expires_at > now())
    order by s.priority desc, s.id limit 1
  ) ready
  where coalesce(q.enabled, true)`,
);

/** Which of these leases hold: neither settled nor run out. Answers their places in the input. */
export const leasesThatHold = sql(
  'jobs.leases-that-hold',
  `
  select i.ord::int
  from unnest($1::uuid[], $2::uuid[], $3::uuid[]) with ordinality as i(organization_id, id, lease_id, ord)
  cross join lateral (
    select 1 from jobs.job_running s
    where s.organization_id = i.organization_id and s.id = i.id and s.lease_id = i.lease_id
      and s.lease_expires_at > now()
    limit 1
  ) held`,
);

/** Deferred jobs that are looked at, oldest first, for one that is pending: most of them are scheduled. */
const MAX_DEFERRED = 1000;

/**
 * The age of the oldest pending job of a queue in milliseconds; null without one. The oldest ready job is looked for at
 * the head of each priority: an index probe per priority in use.
 */
export const oldestPending = sql(
  'jobs.oldest-pending',
  `
  with recursive head as (
    (select priority, id from jobs.job_ready where organization_id = $1 and queue_name = $2
     order by priority desc, id limit 1)
    union all
    select n.priority, n.id from head h cross join lateral (
      select priority, id from jobs.job_ready
      where organization_id = $1 and queue_name = $2 and priority < h.priority
      order by priority desc, id limit 1
    ) n
  ),
  deferred as (
    select d.id from (
      select id, status from jobs.job_deferred where organization_id = $1 and queue_name = $2
      order by id limit ${MAX_DEFERRED}
    ) d where d.status = 'pending' order by d.id limit 1
  )
  select greatest(0, floor(extract(epoch from now() - min(j.created_at)) * 1000))::bigint as age_ms
  from jobs.job j
  where j.organization_id = $1 and j.id = any (
    (select coalesce(array_agg(id), '{}') from head) || (select coalesce(array_agg(id), '{}') from deferred))`,
);
