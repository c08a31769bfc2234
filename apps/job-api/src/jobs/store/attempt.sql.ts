import { sql } from '@spooled/postgres';

/**
 * Remembers what becoming pending takes away from the rows of jobs: a common table expression. `select` gives id of the
 * organization and of the job, rev, outcome, attempt, worker, start, end, error, and when it may run next.
 */
export function remembered(select: string): string {
  return `
  remembered as (
    insert into jobs.job_attempt (organization_id, id, rev, outcome, attempt, worker_id, started_at, ended_at, error, next_at)
    ${select}
  )`;
}

/** The job $3 with the first or the last $4 of its remembered attempts, a row for each; $2 queue scope, null = all. */
const history = (direction: 'asc' | 'desc') =>
  sql(
    `history.read-${direction}`,
    `
    select s.id, s.status, s.rev, s.retry_count, s.worker_id, s.started_at, s.completed_at, s.last_error, j.created_at,
      a.rev as past_rev, a.outcome, a.attempt, a.worker_id as past_worker_id, a.started_at as began_at, a.ended_at, a.error,
      a.next_at
    from jobs.job_state s
    join jobs.job j on j.organization_id = s.organization_id and j.id = s.id
    left join lateral (
      select rev, outcome, attempt, worker_id, started_at, ended_at, error, next_at from jobs.job_attempt t
      where t.organization_id = s.organization_id and t.id = s.id order by rev ${direction} limit $4::bigint
    ) a on true
    where s.organization_id = $1 and ($2::text[] is null or s.queue_name = any ($2)) and s.id = $3
    order by a.rev ${direction}`,
  );
export const readHistory = { asc: history('asc'), desc: history('desc') };

/** Forgets attempts that ended more than $2 days ago, a bounded batch at a time. */
export const pruneAttempts = sql(
  'history.prune-attempts',
  `
  with old as materialized (
    select organization_id, id, rev from jobs.job_attempt
    where organization_id = $1 and ended_at < now() - $2::float8 * interval '1 day'
    order by ended_at limit $3
    for update skip locked
  ),
  gone as (
    delete from jobs.job_attempt s using old o
    where s.organization_id = o.organization_id and s.id = any (array[o.id]) and s.rev = any (array[o.rev])
    returning s.id
  )
  select count(*) as pruned from gone`,
);
