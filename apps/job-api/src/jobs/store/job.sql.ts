import type { JobOrder, JobStatus } from '@spooled/contracts';
import { sql, type Statement } from '@spooled/postgres';
import { cancelled } from './cancelled.sql.js';
import { TAGGED, type TagKind } from './tags.js';

const STATE = `
  s.id, s.queue_name, s.status, s.priority, s.retry_count, s.rev, s.scheduled_at, s.started_at, s.completed_at,
  s.last_error, s.updated_at`;
/** What a summary of a job shows: of its state `s` and its body `j`. */
export const SUMMARY = `${STATE}, j.max_retries, j.created_at`;
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

export interface ListShape {
  readonly status: JobStatus | undefined;
  readonly order: JobOrder;
  readonly direction: 'asc' | 'desc';
  readonly hasScope: boolean;
  readonly hasQueue: boolean;
  readonly tag: TagKind;
}

const ORDER_COLUMNS: Readonly<Record<JobOrder, string>> = {
  // Ids are UUIDv7: their order is the order of creation, and it has an index.
  created_at: 's.id',
  updated_at: 's.updated_at',
  scheduled_at: 's.scheduled_at',
  completed_at: 's.completed_at',
  priority: 's.priority',
  status: 's.status',
  queue_name: 's.queue_name',
  retry_count: 's.retry_count',
};

/** Orders that bodies have an index for. */
const OF_BODIES: ReadonlySet<JobOrder> = new Set(['created_at', 'queue_name']);

const ENDED: readonly JobStatus[] = ['cancelled', 'completed', 'deadletter', 'failed'];
const LIVE: readonly JobStatus[] = ['pending', 'processing', 'scheduled'];

/**
 * The list statement for one combination of filters and order; what is not asked for is not in it, so that each has the
 * plan it deserves. The page is cut out before anything is joined to it: from the tags, from the bodies when their order
 * and filters decide, otherwise from the states. $3 queue, $4 tag, $5 limit, $6 offset.
 */
export function list(shape: ListShape): Statement {
  const { status, order, direction, hasScope, hasQueue, tag } = shape;
  const filters = [hasScope && 'scope', hasQueue && 'queue', tag !== 'none' && `${tag}-tag`];
  return sql(
    ['jobs.list', status ?? 'any', order, direction, ...filters.filter(Boolean)].join('-'),
    `
    select ${SUMMARY}
    from (${pageOf(shape)}) p
    join jobs.job j on j.organization_id = p.organization_id and j.id = p.id
    join jobs.job_state s on s.organization_id = p.organization_id and s.id = p.id
    order by ${ordered(shape)}`,
  );
}

function pageOf(shape: ListShape): string {
  const { status, order, tag } = shape;
  // Of a common tag the newest are soon found in its own rows. Another order, or a status that few jobs have, is read as
  // it is, and then the tag looked for.
  const isTagFirst = order === 'created_at' && (status === undefined || status === 'completed');
  if (tag === 'rare' || (tag === 'common' && isTagFirst)) return pageOfTag(shape);
  return status === undefined && OF_BODIES.has(order) ? pageOfBodies(shape) : pageOfStates(shape);
}

/** The order of creation is that of the tag's own rows. */
function pageOfTag(shape: ListShape): string {
  const { status, hasQueue, hasScope, order } = shape;
  const isStateAsked = status !== undefined || hasQueue || hasScope || order !== 'created_at';
  const state = isStateAsked
    ? 'join jobs.job_state s on s.organization_id = t.organization_id and s.id = t.id'
    : '';
  const conditions = [
    't.organization_id = $1 and t.tag = $4',
    hasScope ? 's.queue_name = any ($2)' : '$2::text[] is null',
    hasQueue ? 's.queue_name = $3' : '$3::text is null',
    ...(status === undefined ? [] : [among([status])]),
  ];
  return `
      select t.organization_id, t.id from jobs.job_tag t ${state}
      where ${conditions.join(' and ')}
      order by ${order === 'created_at' ? `t.id ${shape.direction}` : ordered(shape)} limit $5 offset $6`;
}

/** Without a filter nothing but the primary key is read, however far the page is. */
function pageOfBodies(shape: ListShape): string {
  return `
      select organization_id, id from jobs.job s
      where ${filtered(shape)}
      order by ${ordered(shape)} limit $5 offset $6`;
}

/**
 * Parts one after the other, each in an order that an index has. The statuses are literals, so that the planner drops the
 * tables that cannot hold them.
 */
function pageOfStates(shape: ListShape): string {
  const parts = partsOf(shape).map(
    ({ condition, order }) => `
      select * from (
        select organization_id, id from jobs.job_state s
        where ${filtered(shape)} and ${condition}
        order by ${order} limit $5::bigint + $6::bigint) part`,
  );
  return `${parts.join(' union all ')} limit $5 offset $6`;
}

interface Part {
  readonly condition: string;
  readonly order: string;
}

function partsOf(shape: ListShape): Part[] {
  const { status, order, direction } = shape;
  const byId = `s.id ${direction}`;
  if (status !== undefined) {
    const nulls = ENDED.includes(status) && order === 'completed_at' ? '' : undefined;
    return [{ condition: among([status]), order: ordered(shape, nulls) }];
  }
  if (order === 'status') {
    const statuses = [...ENDED, ...LIVE];
    if (direction === 'desc') statuses.reverse();
    return statuses.map((one) => ({ condition: among([one]), order: byId }));
  }
  if (order === 'completed_at') {
    return [
      { condition: among(ENDED), order: ordered(shape, '') },
      { condition: among(LIVE), order: byId },
    ];
  }
  return [{ condition: 'true', order: ordered(shape) }];
}

function among(statuses: readonly JobStatus[]): string {
  return `s.status in (${statuses.map((status) => `'${status}'`).join(', ')})`;
}

/** Who has no such instant comes last, which no index gives for free. */
function ordered({ order, direction }: ListShape, nulls = ' nulls last'): string {
  const isNullable = order === 'scheduled_at' || order === 'completed_at';
  const first = `${ORDER_COLUMNS[order]} ${direction}${isNullable ? nulls : ''}`;
  return order === 'created_at' ? first : `${first}, s.id ${direction}`;
}

function filtered({ hasScope, hasQueue, tag }: ListShape): string {
  return [
    's.organization_id = $1',
    hasScope ? 's.queue_name = any ($2)' : '$2::text[] is null',
    hasQueue ? 's.queue_name = $3' : '$3::text is null',
    tag === 'none' ? '$4::text is null' : TAGGED,
  ].join(' and ');
}

/** Ends jobs that have not begun. */
export const cancel = sql(
  'jobs.cancel',
  `
  with ready as (
    delete from jobs.job_ready s where s.organization_id = $1 and ${IN_SCOPE} and s.id = $3
    returning organization_id, id, queue_name, 'pending' as status, priority, retry_count, rev, scheduled_at, started_at,
      last_worker_id, workflow_id
  ),
  deferred as (
    delete from jobs.job_deferred s where s.organization_id = $1 and ${IN_SCOPE} and s.id = $3
    returning organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at, started_at,
      last_worker_id, workflow_id
  ),
  gone as (select * from ready union all select * from deferred),
  ${cancelled(null)}`,
);

/** Changes the priority of a job that has not begun. */
export const setPriority = sql(
  'jobs.set-priority',
  `
  with ready as (
    update jobs.job_ready s set priority = $4, updated_at = now()
    from (select id, priority from jobs.job_ready where organization_id = $1 and id = $3 for update) old
    where s.organization_id = $1 and ${IN_SCOPE} and s.id = old.id
    returning old.priority as old_priority, s.queue_name
  ),
  deferred as (
    update jobs.job_deferred s set priority = $4, updated_at = now()
    from (select id, priority from jobs.job_deferred where organization_id = $1 and id = $3 for update) old
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
