import { sql } from '@spooled/postgres';
import { FORGET_BELONGINGS } from '../../jobs/store/forget.sql.js';

/** The youngest job of the queue $2. Ids are UUIDv7: what is enqueued from now on comes after it. */
export const lastJob = sql(
  'queues.last-job',
  `select id from jobs.job where organization_id = $1 and queue_name = $2 order by id desc limit 1`,
);

/** The next jobs of the queue $2 after $3 and up to $4, in every state; $5 limit. */
export const pageOfJobs = sql(
  'queues.page-of-jobs',
  `
  select id from jobs.job
  where organization_id = $1 and queue_name = $2 and id > $3 and id <= $4
  order by id limit $5`,
);

/**
 * Takes the jobs $2 out of one state. Those that somebody else is moving are skipped: waiting for him while holding
 * others, he may wait for us.
 */
const takeOutOf = (table: string, status: string): string => `
  held_${table} as materialized (
    select organization_id, id from jobs.${table} where organization_id = $1 and id = any ($2::uuid[])
    for update skip locked
  ),
  ${table} as (
    delete from jobs.${table} s using held_${table} h where s.organization_id = h.organization_id and s.id = h.id
    returning s.organization_id, s.id, s.queue_name, ${status} as status, s.rev, s.workflow_id, clock_timestamp() as at
  )`;

/**
 * Deletes jobs in every state with everything that belongs to them, except what others wait for in them. A workflow is
 * told which of its jobs had completed: it may complete without them.
 */
export const removeJobs = sql(
  'queues.remove-jobs',
  `
  with ${takeOutOf('job_ready', `'pending'`)},
  ${takeOutOf('job_deferred', 's.status')},
  ${takeOutOf('job_running', `'processing'`)},
  ${takeOutOf('job_finished', 's.status')},
  gone as materialized (
    select * from job_ready union all select * from job_deferred
    union all select * from job_running union all select * from job_finished
  ),
  ${FORGET_BELONGINGS},
  remembered as (
    update jobs.workflow_job m set is_completed = true from gone g
    where g.status = 'completed'
      and m.organization_id = g.organization_id and m.workflow_id = g.workflow_id and m.job_id = g.id
  )
  select organization_id, id, queue_name, status, rev + 1 as rev, workflow_id, at from gone order by id`,
);

/** What is not folded yet shall not become activity of a queue that is no more. Waits for a fold that is under way. */
export const quietDeltas = sql(
  'queues.quiet-deltas',
  `update jobs.counter_delta set is_activity = false where organization_id = $1 and queue_name = $2 and is_activity`,
);

export const forgetActivity = sql(
  'queues.forget-activity',
  `delete from jobs.queue_activity where organization_id = $1 and queue_name = $2`,
);

export const removeConfiguration = sql(
  'queues.remove-configuration',
  `delete from jobs.queue where organization_id = $1 and queue_name = $2`,
);
