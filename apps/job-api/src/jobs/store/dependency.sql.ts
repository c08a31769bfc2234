import { sql } from '@spooled/postgres';
import { cancelled } from './cancelled.sql.js';

/** Writes which jobs wait for which; `parents` come as one list per child. */
export const depend = sql(
  'dependencies.depend',
  `
  insert into jobs.job_dependency (organization_id, child_id, parent_id)
  select * from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as d(organization_id, child_id, parent_id)
  on conflict do nothing`,
);

/**
 * Locks jobs where they stand, so that none can end before a child of it is written; ended ones are told as they are.
 * Running ones first: who ends one of those locks its deferred children next. Jobs that are missing are unknown, or moved
 * from one state to the next in between.
 */
export const holdParents = sql(
  'dependencies.hold-parents',
  `
  with running as (
    select id, queue_name from jobs.job_running where organization_id = $1 and id = any ($2::uuid[]) order by id for share
  ), deferred as (
    select id, queue_name from jobs.job_deferred where organization_id = $1 and id = any ($2::uuid[]) order by id for share
  ), ready as (
    select id, queue_name from jobs.job_ready where organization_id = $1 and id = any ($2::uuid[]) order by id for share
  )
  select id, queue_name, null as ended from running
  union all select id, queue_name, null from deferred
  union all select id, queue_name, null from ready
  union all
  select id, queue_name, status from jobs.job_finished where organization_id = $1 and id = any ($2::uuid[])`,
);

/**
 * Which of these jobs others depend on. A statement of its own, after the one that ended them: that one may have waited
 * for a child that was being made, and would not see it.
 */
export const parentsAmong = sql(
  'dependencies.parents-among',
  `
  select p.organization_id, p.id from unnest($1::uuid[], $2::uuid[]) as p(organization_id, id)
  where exists (
    select from jobs.job_dependency d where d.organization_id = p.organization_id and d.parent_id = p.id)`,
);

/** Children that wait, locked in order, and how many of their dependencies are among the ended ones. */
const LOCKED = `
  hit as materialized (
    select d.organization_id, d.child_id as id, count(*) as ended
    from unnest($1::uuid[], $2::uuid[]) as p(organization_id, id)
    join jobs.job_dependency d on d.organization_id = p.organization_id and d.parent_id = p.id
    group by d.organization_id, d.child_id
  ),
  locked as materialized (
    select s.organization_id, s.id, s.waiting_on, h.ended, j.dependency_mode
    from hit h
    join jobs.job_deferred s on s.organization_id = h.organization_id and s.id = h.id
    join jobs.job j on j.organization_id = h.organization_id and j.id = h.id
    where s.waiting_on is not null
    order by s.organization_id, s.id
    for update of s
  )`;

/**
 * Dependencies completed: their children are one step nearer, or free when none is missing (mode `all`) or the first
 * one came (`any`). Free ones are claimable, unless their time is still to come.
 */
export const releaseChildren = sql(
  'dependencies.release-children',
  `
  with ${LOCKED},
  free as materialized (select * from locked where dependency_mode = 'any' or waiting_on <= ended),
  nearer as (
    update jobs.job_deferred s set waiting_on = s.waiting_on - l.ended from locked l
    where s.organization_id = l.organization_id and s.id = l.id
      and l.dependency_mode <> 'any' and l.waiting_on > l.ended
  ),
  later as (
    -- Still to come, or backing off: it only has to wait for its time now.
    update jobs.job_deferred s set waiting_on = null from free f
    where s.organization_id = f.organization_id and s.id = f.id and s.due_at > now()
  ),
  gone as (
    delete from jobs.job_deferred s using free f
    where s.organization_id = f.organization_id and s.id = f.id and (s.due_at is null or s.due_at <= now())
    returning s.*
  ),
  ready as (
    insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, scheduled_at, expires_at,
      started_at, last_worker_id, last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, priority, retry_count, rev + (status = 'scheduled')::int, scheduled_at,
      expires_at, started_at, last_worker_id, last_error, workflow_id, now()
    from gone
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, pending, scheduled)
    select organization_id, queue_name, count(*), -count(*) from gone where status = 'scheduled'
    group by organization_id, queue_name
  )
  select organization_id, id, queue_name, status, rev + (status = 'scheduled')::int as rev, now() as at from gone`,
);

/** Dependencies ended otherwise: their children are cancelled, with mode `any` only when none can complete any more. */
export const cancelChildren = sql(
  'dependencies.cancel-children',
  `
  with ${LOCKED},
  fewer as (
    update jobs.job_deferred s set waiting_on = s.waiting_on - l.ended from locked l
    where s.organization_id = l.organization_id and s.id = l.id
      and l.dependency_mode = 'any' and l.waiting_on > l.ended
  ),
  gone as (
    delete from jobs.job_deferred s using locked l
    where s.organization_id = l.organization_id and s.id = l.id
      and (l.dependency_mode <> 'any' or l.waiting_on <= l.ended)
    returning s.*
  ),
  ${cancelled('A dependency did not complete')}`,
);

/**
 * What needs to hold many jobs of one organization comes one after the other: two new dependencies together could close
 * a ring, and two who hold each other's jobs would wait for ever.
 */
export const lockGraph = sql(
  'dependencies.lock-graph',
  `select pg_advisory_xact_lock(hashtextextended('jobs.dependencies ' || $1::uuid, 0))`,
);

/**
 * The job that is to wait, locked if it has not begun. $2 queue scope, null = all. One that is missing has begun, ended,
 * is unknown, or became claimable in between.
 */
export const holdChild = sql(
  'dependencies.hold-child',
  `
  with ready as (
    select id, 'pending' as status from jobs.job_ready s
    where s.organization_id = $1 and s.id = $3 and ($2::text[] is null or s.queue_name = any ($2)) for update
  ), deferred as (
    select id, status from jobs.job_deferred s
    where s.organization_id = $1 and s.id = $3 and ($2::text[] is null or s.queue_name = any ($2)) for update
  )
  select status from ready union all select status from deferred`,
);

/** Which of the jobs $3 depend on the job $2 already, directly or over others: they cannot be its dependencies. */
export const descendantsAmong = sql(
  'dependencies.descendants-among',
  `
  with recursive upwards as (
    select id as seed, id from unnest($3::uuid[]) as s(id)
    union
    select u.seed, d.parent_id from upwards u
    join jobs.job_dependency d on d.organization_id = $1 and d.child_id = u.id
  )
  select seed as id from upwards where id = $2`,
);

/** How the dependencies of the job $2 stand. */
export const dependenciesOf = sql(
  'dependencies.of',
  `
  select d.parent_id as id, s.queue_name, s.status
  from jobs.job_dependency d
  join jobs.job_state s on s.organization_id = d.organization_id and s.id = d.parent_id
  where d.organization_id = $1 and d.child_id = $2 and ($3::text[] is null or s.queue_name = any ($3))
  order by d.parent_id`,
);

/** Jobs that depend on the job $2, each in a mode of its own. */
export const dependentsOf = sql(
  'dependencies.dependents-of',
  `
  select d.child_id as id, s.queue_name, s.status, j.dependency_mode
  from jobs.job_dependency d
  join jobs.job j on j.organization_id = d.organization_id and j.id = d.child_id
  join jobs.job_state s on s.organization_id = d.organization_id and s.id = d.child_id
  where d.organization_id = $1 and d.parent_id = $2 and ($3::text[] is null or s.queue_name = any ($3))
  order by d.child_id`,
);

export const setMode = sql(
  'dependencies.set-mode',
  `update jobs.job set dependency_mode = $3 where organization_id = $1 and id = $2`,
);

/** Makes a job that has not begun wait for $3 others, or for none when null: it then goes where it belongs. */
export const setWaiting = sql(
  'dependencies.set-waiting',
  `
  with held as (
    delete from jobs.job_ready where organization_id = $1 and id = $2 and $3::smallint is not null returning *
  ),
  moved as (
    insert into jobs.job_deferred (organization_id, id, queue_name, priority, status, retry_count, rev, scheduled_at,
      expires_at, started_at, last_worker_id, last_error, waiting_on, workflow_id, updated_at)
    select organization_id, id, queue_name, priority, 'pending', retry_count, rev, scheduled_at,
      expires_at, started_at, last_worker_id, last_error, $3::smallint, workflow_id, now()
    from held
  ),
  freed as (
    delete from jobs.job_deferred where organization_id = $1 and id = $2 and $3::smallint is null and due_at is null
    returning *
  ),
  ready as (
    insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, scheduled_at, expires_at,
      started_at, last_worker_id, last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, priority, retry_count, rev, scheduled_at, expires_at,
      started_at, last_worker_id, last_error, workflow_id, now()
    from freed
  ),
  changed as (
    update jobs.job_deferred set waiting_on = $3::smallint, updated_at = now()
    where organization_id = $1 and id = $2 and ($3::smallint is not null or due_at is not null)
  )
  select queue_name from freed`,
);
