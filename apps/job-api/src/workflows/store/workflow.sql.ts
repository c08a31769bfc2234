import { sql } from '@spooled/postgres';
import { remembered } from '../../jobs/store/attempt.sql.js';
import { cancelled } from '../../jobs/store/cancelled.sql.js';

/** Keeps others from counting the same workflows until commit. In order, so nobody waits in a ring. */
export const lockWorkflows = sql(
  'workflows.lock',
  `
  select w.id from jobs.workflow w
  join unnest($1::uuid[], $2::uuid[]) as i(organization_id, id) using (organization_id, id)
  order by w.organization_id, w.id for update of w`,
);

/**
 * Counts the jobs of workflows anew: at most 100 each, found by key. A cancelled workflow stays so, whatever its
 * running jobs come to.
 */
export const recountWorkflows = sql(
  'workflows.recount',
  `
  update jobs.workflow w set
    completed_jobs = c.completed,
    failed_jobs = w.total_jobs - c.completed - c.live,
    status = case
      when w.status = 'cancelled' then 'cancelled'
      when c.completed = w.total_jobs then 'completed'
      when c.live = 0 then 'failed'
      when c.has_begun or w.started_at is not null then 'running'
      else 'pending'
    end,
    started_at = coalesce(w.started_at, case when c.has_begun then now() end),
    completed_at = case
      when w.status = 'cancelled' then w.completed_at
      when c.live = 0 then coalesce(w.completed_at, now())
    end
  from (
    select i.organization_id, i.id,
      count(*) filter (where f.status = 'completed' or m.is_completed) as completed,
      count(*) filter (where r.id is not null or d.id is not null or l.id is not null) as live,
      bool_or(m.is_completed or l.id is not null
        or coalesce(r.started_at, d.started_at, f.started_at) is not null) as has_begun
    from unnest($1::uuid[], $2::uuid[]) as i(organization_id, id)
    join jobs.workflow_job m on m.organization_id = i.organization_id and m.workflow_id = i.id
    left join jobs.job_ready r on r.organization_id = m.organization_id and r.id = m.job_id
    left join jobs.job_deferred d on d.organization_id = m.organization_id and d.id = m.job_id
    left join jobs.job_running l on l.organization_id = m.organization_id and l.id = m.job_id
    left join jobs.job_finished f on f.organization_id = m.organization_id and f.id = m.job_id
    group by i.organization_id, i.id
  ) c
  where w.organization_id = c.organization_id and w.id = c.id`,
);

const COLUMNS = `id, organization_id, name, description, status, total_jobs, completed_jobs, failed_jobs, metadata,
  created_at, started_at, completed_at`;
/** Whether a key with the queue scope $2 (null = all) may see the workflow: it may see all its jobs. */
const IN_SCOPE = '($2::text[] is null or queue_names <@ $2)';

export const insertWorkflow = sql(
  'workflows.insert',
  `
  insert into jobs.workflow (organization_id, id, name, description, metadata, status, queue_names, total_jobs, created_at)
  values ($1, $2, $3, $4, $5::jsonb, 'pending', $6::text[], $7::int, now())`,
);

/** The jobs of a new workflow, in their order. */
export const insertMembers = sql(
  'workflows.insert-members',
  `
  insert into jobs.workflow_job (organization_id, workflow_id, position, key, job_id)
  select $1, $2, m.position, m.key, m.job_id
  from unnest($3::text[], $4::uuid[]) with ordinality as m(key, job_id, position)`,
);

/** Newest first. $3 status or null, $4 limit, $5 offset. */
export const list = sql(
  'workflows.list',
  `
  select ${COLUMNS} from jobs.workflow
  where organization_id = $1 and ${IN_SCOPE} and ($3::text is null or status = $3)
  order by id desc limit $4 offset $5`,
);

export const read = sql(
  'workflows.read',
  `select ${COLUMNS} from jobs.workflow where organization_id = $1 and ${IN_SCOPE} and id = $3`,
);

/**
 * Locks the jobs of a workflow where they stand; running ones first: who ends one of those locks its deferred children
 * next. Those that are not held moved from one state to the next in between.
 */
export const holdMembers = sql(
  'workflows.hold-members',
  `
  with member as materialized (
    select j.id from jobs.workflow_job m
    join jobs.job j on j.organization_id = m.organization_id and j.id = m.job_id
    where m.organization_id = $1 and m.workflow_id = $2
  ), running as (
    select id from jobs.job_running where organization_id = $1 and id in (select id from member) order by id for update
  ), deferred as (
    select id from jobs.job_deferred where organization_id = $1 and id in (select id from member) order by id for update
  ), ready as (
    select id from jobs.job_ready where organization_id = $1 and id in (select id from member) order by id for update
  ), finished as (
    select id from jobs.job_finished where organization_id = $1 and id in (select id from member) order by id for update
  ), held as materialized (
    select id from running union all select id from deferred union all select id from ready union all select id from finished
  )
  select id, id in (select id from held) as is_held from member`,
);

/** Jobs outside a workflow that its jobs depend on. */
export const outsideParents = sql(
  'workflows.outside-parents',
  `
  select distinct d.parent_id as id from jobs.workflow_job m
  join jobs.job_dependency d on d.organization_id = m.organization_id and d.child_id = m.job_id
  where m.organization_id = $1 and m.workflow_id = $2 and not exists (
    select from jobs.workflow_job p
    where p.organization_id = m.organization_id and p.workflow_id = m.workflow_id and p.job_id = d.parent_id)`,
);

/** The jobs of a workflow in their order, with what each waits for. Jobs that were purged are left out. */
export const jobs = sql(
  'workflows.jobs',
  `
  select m.key, j.id, j.organization_id, j.queue_name, j.payload, j.max_retries, j.timeout_seconds, j.tags, j.parent_job_id,
    j.created_at, s.status, s.priority, s.retry_count, s.scheduled_at, s.started_at, s.completed_at, s.result, s.last_error,
    p.percent, d.parent_ids
  from jobs.workflow_job m
  join jobs.job j on j.organization_id = m.organization_id and j.id = m.job_id
  join jobs.job_state s on s.organization_id = m.organization_id and s.id = m.job_id
  left join jobs.job_progress p on p.organization_id = m.organization_id and p.id = m.job_id
  cross join lateral (
    select array(select parent_id from jobs.job_dependency d
      where d.organization_id = m.organization_id and d.child_id = m.job_id order by parent_id) as parent_ids
  ) d
  where m.organization_id = $1 and m.workflow_id = $2
  order by m.position`,
);

/** Cancels those of the jobs $2 that have not begun. */
export const cancelJobs = sql(
  'workflows.cancel-jobs',
  `
  with member as materialized (
    select $1::uuid as organization_id, id from unnest($2::uuid[]) as m(id) order by id
  ),
  ready as (
    delete from jobs.job_ready s using member m where s.organization_id = m.organization_id and s.id = m.id
    returning s.organization_id, s.id, s.queue_name, 'pending' as status, s.priority, s.retry_count, s.rev,
      s.scheduled_at, s.started_at, s.last_worker_id, s.workflow_id
  ),
  deferred as (
    delete from jobs.job_deferred s using member m where s.organization_id = m.organization_id and s.id = m.id
    returning s.organization_id, s.id, s.queue_name, s.status, s.priority, s.retry_count, s.rev,
      s.scheduled_at, s.started_at, s.last_worker_id, s.workflow_id
  ),
  gone as (select * from ready union all select * from deferred),
  ${cancelled(null)}`,
);

export const markCancelled = sql(
  'workflows.mark-cancelled',
  `update jobs.workflow set status = 'cancelled', completed_at = clock_timestamp() where organization_id = $1 and id = $2`,
);

/** After the count: a workflow that is retried runs, also when nothing of it had begun. */
export const markRunning = sql(
  'workflows.mark-running',
  `
  update jobs.workflow set status = 'running', started_at = now()
  where organization_id = $1 and id = $2 and status = 'pending'`,
);

/**
 * Returns the jobs of a workflow that did not complete to pending, each waiting for those of its dependencies that are
 * still to complete. Dependencies outside the workflow count as they are now: a job that can never run because of them
 * is `is_doomed`.
 */
export const retryJobs = sql(
  'workflows.retry-jobs',
  `
  with gone as (
    delete from jobs.job_finished s using jobs.workflow_job m
    where m.organization_id = $1 and m.workflow_id = $2
      and s.organization_id = m.organization_id and s.id = m.job_id and s.status <> 'completed'
    returning s.*
  ),
  standing as materialized (
    select g.*, case when j.expires_at > now() then j.expires_at end as new_expires_at,
      case
        when e.parents = 0 or (j.dependency_mode = 'any' and e.completed > 0) then 0
        when j.dependency_mode = 'any' then e.possible
        else e.parents - e.completed
      end as missing,
      case
        when j.dependency_mode = 'any' then e.parents > 0 and e.possible = 0
        else e.possible < e.parents
      end as is_doomed
    from gone g
    join jobs.job j on j.organization_id = g.organization_id and j.id = g.id
    cross join lateral (
      select count(*) as parents, count(*) filter (where f.status = 'completed') as completed,
        count(*) filter (where p.id is not null
          and (f.id is null or f.status = 'completed' or f.workflow_id = $2)) as possible
      from jobs.job_dependency d
      left join jobs.job p on p.organization_id = d.organization_id and p.id = d.parent_id
      left join jobs.job_finished f on f.organization_id = d.organization_id and f.id = d.parent_id
      where d.organization_id = g.organization_id and d.child_id = g.id
    ) e
  ),
  planned as materialized (
    select *, case when is_doomed then greatest(missing, 1) else missing end as waiting_on from standing
  ),
  ready as (
    insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, expires_at, started_at,
      workflow_id, updated_at)
    select organization_id, id, queue_name, priority, 0, rev + 1, new_expires_at, started_at, workflow_id, now()
    from planned where waiting_on = 0
  ),
  deferred as (
    insert into jobs.job_deferred (organization_id, id, queue_name, priority, status, retry_count, rev, expires_at,
      started_at, waiting_on, workflow_id, updated_at)
    select organization_id, id, queue_name, priority, 'pending', 0, rev + 1, new_expires_at, started_at, waiting_on,
      workflow_id, now()
    from planned where waiting_on > 0
  ),
  ${remembered(`
    select organization_id, id, rev, case when status = 'cancelled' then 'cancelled' else 'deadlettered' end, retry_count + 1,
      worker_id, case when status <> 'cancelled' then started_at end, completed_at, last_error, now()
    from gone`)},
  audited as (
    delete from jobs.dead_letter d using gone g where d.organization_id = g.organization_id and d.job_id = g.id
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, pending, deadletter, cancelled, is_activity)
    select organization_id, queue_name, count(*), -(count(*) filter (where status in ('deadletter', 'failed'))),
      -(count(*) filter (where status = 'cancelled')), false
    from gone group by organization_id, queue_name
  )
  select organization_id, id, queue_name, status, rev + 1 as rev, workflow_id, waiting_on = 0 as is_ready, is_doomed,
    now() as at
  from planned`,
);
