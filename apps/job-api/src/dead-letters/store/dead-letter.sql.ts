import { MAX_LISTED_PAYLOAD_BYTES } from '@spooled/contracts';
import { sql, type Statement } from '@spooled/postgres';
import { remembered } from '../../jobs/store/attempt.sql.js';
import { FORGET_BELONGINGS } from '../../jobs/store/forget.sql.js';
import { SUMMARY } from '../../jobs/store/job.sql.js';
import { tagged } from '../../jobs/store/list.sql.js';
import type { Rarity } from '../../jobs/store/rarity.js';

/** One statement for a named queue and one for all of them: each reads an index of its own in its order. */
interface ByQueue {
  readonly ofQueue: Statement;
  readonly ofAll: Statement;
}

function byQueue(name: string, statement: (inQueue: string) => string): ByQueue {
  return {
    ofQueue: sql(`${name}-of-queue`, statement('s.queue_name = $2')),
    ofAll: sql(`${name}-of-all`, statement('($2::text is null)')),
  };
}

/** What a list of dead letters is asked for; what is not asked for is not in its statement. */
export interface LetterListShape {
  readonly hasQueue: boolean;
  readonly hasScope: boolean;
  readonly tag: Rarity;
}

/** Where dead letters with a tag are found. */
const LETTERS: Readonly<Record<Rarity, { from: string; condition: string }>> = {
  none: { from: 'jobs.job_finished s', condition: '$4::text is null' },
  common: { from: 'jobs.job_finished s', condition: tagged('s') },
  rare: {
    from: 'jobs.job_tag t join jobs.job_finished s on s.organization_id = t.organization_id and s.id = t.id',
    condition: 't.organization_id = $1 and t.tag = $4',
  },
};

/**
 * Newest first. $2 queue, $3 queue scope, $4 tag, $5 limit, $6 offset. The page is cut out before anything is joined to it;
 * without a tag it is cut out of an index alone.
 */
export function list({ hasQueue, hasScope, tag }: LetterListShape): Statement {
  const filters = [hasQueue && 'queue', hasScope && 'scope', tag !== 'none' && `${tag}-tag`];
  const { from, condition } = LETTERS[tag];
  return sql(
    ['dead-letters.list', ...filters.filter(Boolean)].join('-'),
    `
    select ${SUMMARY}, s.organization_id, j.tags, j.timeout_seconds, d.reason, is_short,
      case when is_short then j.payload end as payload
    from (
      select s.organization_id, s.id from ${from}
      where s.organization_id = $1 and s.status = 'deadletter'
        and ${hasQueue ? 's.queue_name = $2' : '$2::text is null'}
        and ${hasScope ? 's.queue_name = any ($3)' : '$3::text[] is null'}
        and ${condition}
      order by s.completed_at desc, s.id desc limit $5 offset $6
    ) p
    join jobs.job_finished s on s.organization_id = p.organization_id and s.id = p.id
    join jobs.job j on j.organization_id = p.organization_id and j.id = p.id
    left join jobs.dead_letter d on d.organization_id = p.organization_id and d.job_id = p.id
    cross join lateral (
      -- The stored size first: a payload that is long even when compressed is not read at all.
      select pg_column_size(j.payload) <= ${MAX_LISTED_PAYLOAD_BYTES}
        and octet_length(j.payload::text) <= ${MAX_LISTED_PAYLOAD_BYTES} as is_short
      offset 0
    ) l
    order by s.completed_at desc, s.id desc`,
  );
}

/**
 * Returns the jobs in `gone` to pending at the instant `at`, as if they were new. Who waits for any one of several jobs
 * may hope for these again.
 */
const RETURN_TO_PENDING = `
  ready as (
    insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, waits_since, expires_at,
      started_at, workflow_id, updated_at)
    select g.organization_id, g.id, g.queue_name, g.priority, 0, g.rev + 1, g.at,
      case when j.expires_at > now() then j.expires_at end, g.started_at, g.workflow_id, g.at
    from gone g join jobs.job j on j.organization_id = g.organization_id and j.id = g.id
  ),
  ${remembered(`
    select organization_id, id, rev, 'deadlettered', retry_count + 1, worker_id, started_at, completed_at, last_error, at
    from gone`)},
  hopeful as materialized (
    select s.organization_id, s.id,
      (select count(*) from jobs.job_dependency d join gone g on g.id = d.parent_id
       where d.organization_id = s.organization_id and d.child_id = s.id) as regained
    from (
      select distinct d.organization_id, d.child_id
      from gone g join jobs.job_dependency d on d.organization_id = g.organization_id and d.parent_id = g.id
    ) c
    join jobs.job_deferred s on s.organization_id = c.organization_id and s.id = c.child_id
    join jobs.job j on j.organization_id = s.organization_id and j.id = s.id
    where s.waiting_on is not null and j.dependency_mode = 'any'
    order by s.organization_id, s.id
    for update of s
  ),
  regained as (
    update jobs.job_deferred s set waiting_on = s.waiting_on + h.regained
    from hopeful h where s.organization_id = h.organization_id and s.id = h.id
  ),
  audited as (
    delete from jobs.dead_letter d using gone g where d.organization_id = g.organization_id and d.job_id = g.id
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, pending, deadletter, is_activity)
    select organization_id, queue_name, count(*), -count(*), false from gone group by organization_id, queue_name
  )
  select organization_id, id, queue_name, status, rev + 1 as rev, workflow_id, at
  from gone order by completed_at, id`;

/** Retries those of the jobs $3 that were given up, in the queues $2; null = in all. */
export const retryByIds = sql(
  'dead-letters.retry-by-ids',
  `
  with gone as (
    delete from jobs.job_finished s
    where s.organization_id = $1 and ($2::text[] is null or s.queue_name = any ($2)) and s.id = any ($3::uuid[])
      and s.status in ('failed', 'deadletter')
    returning s.*, clock_timestamp() as at
  ),
  ${RETURN_TO_PENDING}`,
);

/** Retries the oldest dead letters. $2 queue, $3 limit. Those that somebody else is moving are left to him. */
export const retryOldest = byQueue(
  'dead-letters.retry-oldest',
  (inQueue) => `
  with picked as materialized (
    select s.organization_id, s.id from jobs.job_finished s
    where s.organization_id = $1 and s.status = 'deadletter' and ${inQueue}
    order by s.completed_at, s.id limit $3
    for update skip locked
  ),
  gone as (
    delete from jobs.job_finished s using picked p where s.organization_id = p.organization_id and s.id = p.id
    returning s.*, clock_timestamp() as at
  ),
  ${RETURN_TO_PENDING}`,
);

/**
 * Deletes the oldest dead letters that were given up before $3 (null = whenever) with everything that belongs to them.
 * $2 queue, $4 limit. Who depended on them was cancelled when they were given up; in a workflow it is still known that they
 * did, or they would run when it is retried, without what they were to wait for.
 */
export const purge = byQueue(
  'dead-letters.purge',
  (inQueue) => `
  with picked as materialized (
    select s.organization_id, s.id from jobs.job_finished s
    where s.organization_id = $1 and s.status = 'deadletter' and ${inQueue}
      and ($3::timestamptz is null or s.completed_at < $3)
    order by s.completed_at, s.id limit $4
    for update skip locked
  ),
  gone as (
    delete from jobs.job_finished s using picked p where s.organization_id = p.organization_id and s.id = p.id
    returning s.organization_id, s.id, s.queue_name, s.status, s.workflow_id
  ),
  ${FORGET_BELONGINGS},
  children as (
    delete from jobs.job_dependency d using gone g where d.organization_id = g.organization_id and d.child_id = g.id
  ),
  parents as (
    delete from jobs.job_dependency d using gone g
    where d.organization_id = g.organization_id and d.parent_id = g.id and not exists (
      select from jobs.job j
      where j.organization_id = d.organization_id and j.id = d.child_id and j.workflow_id = g.workflow_id)
  )
  select organization_id, queue_name, workflow_id from gone`,
);
