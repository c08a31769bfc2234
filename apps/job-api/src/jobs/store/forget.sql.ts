import { sql } from '@spooled/postgres';

/**
 * Removes what belongs to jobs whose state is removed, and takes them off the counts: common table expressions over
 * `gone`, which names those jobs by organization_id, id, queue_name and status. That they are gone is no activity.
 */
export const FORGET_BELONGINGS = `
  bodies as (
    delete from jobs.job s using gone g where s.organization_id = g.organization_id and s.id = g.id
    returning s.organization_id, s.id, s.idempotency_key, s.tags
  ),
  tags as (
    delete from jobs.job_tag s using (
      select b.organization_id, t.tag, b.id from bodies b cross join lateral jobs.tags_in(b.tags) t(tag)
      where b.tags is not null
    ) g
    where s.organization_id = g.organization_id and s.tag = g.tag and s.id = g.id
  ),
  keys as (
    delete from jobs.idempotency_key k using bodies b
    where k.organization_id = b.organization_id and k.key = b.idempotency_key and k.job_id = b.id
  ),
  progress as (
    delete from jobs.job_progress s using gone g where s.organization_id = g.organization_id and s.id = g.id
  ),
  log_counts as (
    delete from jobs.job_log_count s using gone g where s.organization_id = g.organization_id and s.id = g.id
  ),
  attempts as (
    delete from jobs.job_attempt s using gone g where s.organization_id = g.organization_id and s.id = g.id
  ),
  logs as (
    delete from jobs.job_log s using gone g where s.organization_id = g.organization_id and s.id = g.id
  ),
  letters as (
    delete from jobs.dead_letter s using gone g where s.organization_id = g.organization_id and s.job_id = g.id
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, pending, scheduled, processing, completed, deadletter,
      cancelled, is_activity)
    select organization_id, queue_name,
      -(count(*) filter (where status = 'pending')), -(count(*) filter (where status = 'scheduled')),
      -(count(*) filter (where status = 'processing')), -(count(*) filter (where status = 'completed')),
      -(count(*) filter (where status in ('deadletter', 'failed'))), -(count(*) filter (where status = 'cancelled')), false
    from gone group by organization_id, queue_name
  )`;

/** Which jobs waited, or wait, for those in `gone`, and the other way round. */
export const FORGET_DEPENDENCIES = `
  children as (
    delete from jobs.job_dependency d using gone g where d.organization_id = g.organization_id and d.child_id = g.id
  ),
  parents as (
    delete from jobs.job_dependency d using gone g where d.organization_id = g.organization_id and d.parent_id = g.id
  )`;

/** The same, of jobs that still had dependents to be cancelled when they were removed. */
export const forgetDependencies = sql(
  'jobs.forget-dependencies',
  `
  with gone as materialized (select $1::uuid as organization_id, id from unnest($2::uuid[]) as g(id)),
  ${FORGET_DEPENDENCIES}
  select count(*) as forgotten from gone`,
);
