import { sql } from '@spooled/postgres';
import { cancelled } from './cancelled.sql.js';

const STATE = `
  s.id, s.queue_name, s.status, s.priority, s.retry_count, s.rev, s.scheduled_at, s.started_at, s.completed_at,
  s.last_error, s.updated_at`;
/** What a summary of a job shows: of its state `s` and its body `j`. */
export const SUMMARY = `${STATE}, j.max_retries, j.created_at, j.job_type`;
const IN_SCOPE = `($2::text[] is null or s.queue_name = any ($2))`;

/** Everything about one job. $2 is the queue scope, null = all. */
export const read = sql(
  'jobs.read',
  `
  select ${SUMMARY}, j.organization_id, j.payload, s.result, j.expires_at, j.tags, j.timeout_seconds, j.parent_job_id,
    j.completion_webhook, s.worker_id, s.lease_id, s.lease_expires_at, j.idempotency_key, j.workflow_id, j.dependency_mode, s.dependencies_met,
    p.percent, p.message, p.updated_at as progress_at
  from jobs.job_state s
  join jobs.job j on j.organization_id = s.organization_id and j.id = s.id
  left join jobs.job_progress p on p.organization_id = s.organization_id and p.id = s.id
  where s.organization_id = $1 and ${IN_SCOPE} and s.id = $3`,
);

/** Status of several jobs. */
export const statuses = sql(
  'jobs.statuses',
  `
  select ${SUMMARY}
  from jobs.job_state s join jobs.job j on j.organization_id = s.organization_id and j.id = s.id
  where s.organization_id = $1 and ${IN_SCOPE} and s.id = any ($3::uuid[])`,
);

/** Where a job stands, and nothing more. */
export const snapshot = sql(
  'jobs.snapshot',
  `select queue_name, status, rev from jobs.job_state where organization_id = $1 and id = $2`,
);

/** Ends those of the jobs $3 that have not begun. */
export const cancel = sql(
  'jobs.cancel',
  `
  with ready as (
    delete from jobs.job_ready s where s.organization_id = $1 and ${IN_SCOPE} and s.id = any ($3::uuid[])
    returning organization_id, id, queue_name, 'pending' as status, priority, retry_count, rev, scheduled_at, started_at,
      last_worker_id, workflow_id
  ),
  deferred as (
    delete from jobs.job_deferred s where s.organization_id = $1 and ${IN_SCOPE} and s.id = any ($3::uuid[])
    returning organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at, started_at,
      last_worker_id, workflow_id
  ),
  gone as (select * from ready union all select * from deferred),
  ${cancelled(null)}`,
);

/** Changes the priority of those of the jobs $3 that have not begun. */
export const setPriority = sql(
  'jobs.set-priority',
  `
  with ready as (
    update jobs.job_ready s set priority = $4, updated_at = now()
    from (select id, priority from jobs.job_ready where organization_id = $1 and id = any ($3::uuid[]) for update) old
    where s.organization_id = $1 and ${IN_SCOPE} and s.id = old.id
    returning old.priority as old_priority, s.queue_name
  ),
  deferred as (
    update jobs.job_deferred s set priority = $4, updated_at = now()
    from (select id, priority from jobs.job_deferred where organization_id = $1 and id = any ($3::uuid[]) for update) old
    where s.organization_id = $1 and ${IN_SCOPE} and s.id = old.id
    returning old.priority as old_priority, s.queue_name
  )
  select * from ready union all select * from deferred`,
);

/** Log lines of a job, oldest first. */
export const readLog = sql(
  'jobs.read-log',
  `
  select line, logged_at from jobs.job_log
  where organization_id = $1 and id = $2 order by line_number limit $3 offset $4`,
);
