import { MAX_LISTED_PAYLOAD_BYTES } from '@spooled/contracts';
import { sql, type Statement } from '@spooled/postgres';
import { remembered } from '../../jobs/store/attempt.sql.js';
import { FORGET_BELONGINGS } from '../../jobs/store/forget.sql.js';
import { SUMMARY } from '../../jobs/store/job.sql.js';
import { ofBody, tagged } from '../../jobs/store/list.sql.js';
import type { Rarity } from '../../jobs/store/rarity.js';

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
    lettersOf(`
      select s.organization_id, s.id from ${from}
      where s.organization_id = $1 and s.status = 'deadletter'
        and ${hasQueue ? 's.queue_name = $2' : '$2::text is null'}
        and ${hasScope ? 's.queue_name = any ($3)' : '$3::text[] is null'}
        and ${condition}
      order by s.completed_at desc, s.id desc limit $5 offset $6`),
  );
}

/** Those of the jobs $2 that are dead letters. */
export const listByIds = sql(
  'dead-letters.list-by-ids',
  lettersOf(`
      select s.organization_id, s.id from jobs.job_finished s
      where s.organization_id = $1 and s.id = any ($2::uuid[]) and s.status = 'deadletter'`),
);

function lettersOf(page: string): string {
  return `
    select ${SUMMARY}, s.organization_id, j.tags, j.timeout_seconds, d.reason, is_short,
      case when is_short then j.payload end as payload
    from (${page}
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
    order by s.completed_at desc, s.id desc`;
}

/** Which of the oldest dead letters are asked for; each combination has a statement of its own, which reads an index of its own. */
export interface OldestShape {
  readonly hasQueue: boolean;
  readonly tag: Rarity;
  readonly jobType: Rarity;
}

/**
 * The oldest that are asked for, which nobody else is moving: those are left to him. $2 queue, $3 limit, $4 tag, $5 job type.
 * Of what few jobs have, these few are read; of anything else the dead letters, oldest first.
 */
function oldest({ hasQueue, tag, jobType }: OldestShape, condition = 'true'): string {
  const leader = tag === 'rare' ? 'tag' : jobType === 'rare' ? 'type' : undefined;
  const { from, mark } = OLDEST[leader ?? 'none'];
  const hasTag = tag === 'none' ? '$4::text is null' : tagged('s');
  const hasType = jobType === 'none' ? '$5::text is null' : ofBody('s', 'b.job_type = $5');
  return `
  picked as materialized (
    select s.organization_id, s.id from ${from}
    where s.organization_id = $1 and s.status = 'deadletter'
      and ${hasQueue ? 's.queue_name = $2' : '$2::text is null'} and ${mark}
      and ${leader === 'tag' ? 'true' : hasTag} and ${leader === 'type' ? 'true' : hasType}
      and ${condition}
    order by s.completed_at, s.id limit $3
    for update of s skip locked
  )`;
}

const JOINED = 'jobs.job_finished s on s.organization_id = t.organization_id and s.id = t.id';
const OLDEST = {
  none: { from: 'jobs.job_finished s', mark: 'true' },
  tag: { from: `jobs.job_tag t join ${JOINED}`, mark: 't.organization_id = $1 and t.tag = $4' },
  type: { from: `jobs.job t join ${JOINED}`, mark: 't.organization_id = $1 and t.job_type = $5' },
};

function oldestName(name: string, { hasQueue, tag, jobType }: OldestShape): string {
  const filters = [
    hasQueue ? 'of-queue' : 'of-all',
    tag !== 'none' && `${tag}-tag`,
    jobType !== 'none' && `${jobType}-type`,
  ];
  return [name, ...filters.filter(Boolean)].join('-');
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

/** Retries the oldest dead letters. */
export function retryOldest(shape: OldestShape): Statement {
  return sql(
    oldestName('dead-letters.retry-oldest', shape),
    `
  with ${oldest(shape)},
  gone as (
    delete from jobs.job_finished s using picked p where s.organization_id = p.organization_id and s.id = p.id
    returning s.*, clock_timestamp() as at
  ),
  ${RETURN_TO_PENDING}`,
  );
}

/**
 * Deletes the oldest dead letters that were given up before $6 (null = whenever) with everything that belongs to them.
 * Who depended on them was cancelled when they were given up; in a workflow it is still known that they
 * did, or they would run when it is retried, without what they were to wait for.
 */
export function purge(shape: OldestShape): Statement {
  return sql(
    oldestName('dead-letters.purge', shape),
    `
  with ${oldest(shape, '($6::timestamptz is null or s.completed_at < $6)')},
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
}
