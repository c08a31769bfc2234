import { sql } from '@spooled/postgres';

/**
 * Makes everything that adds to the counts of these organizations come one after the other, until commit. Taken before
 * any row is locked, in the order of the organizations, so nobody waits in a ring.
 */
export const lockCounts = sql(
  'quotas.lock-counts',
  `
  select count(pg_advisory_xact_lock(hashtextextended('jobs.counts ' || organization_id, 0)))
  from (select distinct organization_id from unnest($1::uuid[]) as o(organization_id) order by 1) o`,
);

const LIVE = 'pending + scheduled + processing';

/** What organizations use now. Its own statement: one that waited for the lock would count as of before the wait. */
export const usage = sql(
  'quotas.usage',
  `
  select o.organization_id,
    coalesce((select created from jobs.daily_count d
      where d.organization_id = o.organization_id and d.day = (now() at time zone 'utc')::date), 0)
    + coalesce((select sum(created) from jobs.counter_delta d
      where d.organization_id = o.organization_id
        and d.at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc'), 0) as jobs_today,
    coalesce((select sum(${LIVE}) from jobs.queue_counter c where c.organization_id = o.organization_id), 0)
    + coalesce((select sum(${LIVE}) from jobs.counter_delta d where d.organization_id = o.organization_id), 0)
      as active_jobs,
    array(
      select queue_name from jobs.queue q where q.organization_id = o.organization_id
      union
      select queue_name from jobs.scheduled_queue s where s.organization_id = o.organization_id
      union
      select queue_name from (
        select queue_name, pending + scheduled + processing + completed + deadletter + cancelled as retained
        from jobs.queue_counter c where c.organization_id = o.organization_id
        union all
        select queue_name, pending + scheduled + processing + completed + deadletter + cancelled
        from jobs.counter_delta d where d.organization_id = o.organization_id
      ) counted group by queue_name having sum(retained) > 0
    ) as queue_names,
    (select count(*) from jobs.workflow w where w.organization_id = o.organization_id) as workflows
  from (select distinct organization_id from unnest($1::uuid[]) as o(organization_id)) o`,
);
