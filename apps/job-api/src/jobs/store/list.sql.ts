import type { JobOrder, JobStatus } from '@spooled/contracts';
import { sql, type Statement } from '@spooled/postgres';
import { SUMMARY } from './job.sql.js';
import type { Rarity } from './rarity.js';

/** What a list is asked for; what is not asked for is not in its statement, so that each has the plan it deserves. */
export interface ListShape {
  /** None: any. */
  readonly statuses: readonly JobStatus[];
  readonly order: JobOrder;
  readonly direction: 'asc' | 'desc';
  readonly hasScope: boolean;
  readonly hasQueue: boolean;
  readonly tag: Rarity;
  readonly jobType: Rarity;
  /** `ids`: between two ids; `times`: and created between two instants. */
  readonly range: 'none' | 'ids' | 'times';
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
 * The list statement for one combination of filters and order. The page is cut out before anything is joined to it: from
 * the tags, from the bodies when their order and filters decide, otherwise from the states. $2 scope, $3 queue, $4 tag,
 * $5 limit, $6 offset, $7 job type, $8 and $9 first and last id, $10 and $11 created from and before.
 */
export function list(shape: ListShape): Statement {
  const { statuses, order, direction, hasScope, hasQueue, tag, jobType, range } = shape;
  const filters = [
    hasScope && 'scope',
    hasQueue && 'queue',
    tag !== 'none' && `${tag}-tag`,
    jobType !== 'none' && `${jobType}-type`,
    range !== 'none' && range,
  ];
  const status = statuses.length === 0 ? 'any' : statuses.join('+');
  return sql(
    ['jobs.list', status, order, direction, ...filters.filter(Boolean)].join('-'),
    `
    select ${SUMMARY}
    from (${pageOf(shape)}) p
    cross join lateral (${stateOf('p')}) s
    cross join lateral (
      select b.max_retries, b.created_at, b.job_type from jobs.job b
      where b.organization_id = p.organization_id and b.id = p.id offset 0
    ) j
    order by ${ordered(shape)}`,
  );
}

function pageOf(shape: ListShape): string {
  const { statuses, order, tag, jobType } = shape;
  if (leads(shape, tag)) return pageOfMark(shape, 'tag');
  if (leads(shape, jobType)) return pageOfMark(shape, 'jobType');
  if (statuses.length === 0 && OF_BODIES.has(order)) return pageOfBodies(shape);
  return statuses.length > 1 ? pageOfSeveral(shape) : pageOfStates(shape);
}

/**
 * Of a common mark the newest are soon found in its own rows. Another order, or a status that few jobs have, is read as it
 * is, and then the mark looked for.
 */
function leads({ statuses, order }: ListShape, mark: Rarity): boolean {
  const isFoundSoon = statuses.length === 0 || statuses.includes('completed');
  return mark === 'rare' || (mark === 'common' && order === 'created_at' && isFoundSoon);
}

/** Where the jobs with a mark are found, in the order of their creation. */
const MARKS = {
  tag: { table: 'jobs.job_tag', condition: 't.tag = $4' },
  jobType: { table: 'jobs.job', condition: 't.job_type = $7' },
};

function pageOfMark(shape: ListShape, mark: keyof typeof MARKS): string {
  const { statuses, hasQueue, hasScope, order } = shape;
  const { table, condition } = MARKS[mark];
  const isStateAsked = statuses.length > 0 || hasQueue || hasScope || order !== 'created_at';
  const asked = [inQueues(shape), ...(statuses.length === 0 ? [] : [among(statuses)])];
  const state = isStateAsked ? `cross join lateral (${stateOf('t', asked)}) s` : '';
  const rest = { ...shape, [mark]: 'none' as const };
  const conditions = [
    't.organization_id = $1',
    condition,
    isStateAsked ? '' : inQueues(shape),
    marked(rest, 't', mark),
    inRange(shape, 't'),
  ];
  return `
      select t.organization_id, t.id from ${table} t ${state}
      where ${all(conditions)}
      order by ${order === 'created_at' ? `t.id ${shape.direction}` : ordered(shape)} limit $5 offset $6`;
}

/** The state of one job, looked up for each: as a join it is read as a whole while it looks empty. */
function stateOf(row: string, conditions: readonly string[] = []): string {
  const keys = `s.organization_id = ${row}.organization_id and s.id = ${row}.id`;
  return `select s.* from jobs.job_state s where ${all([keys, ...conditions])} offset 0`;
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

/** The page of each status in the order that an index has, and of these together the page. */
function pageOfSeveral(shape: ListShape): string {
  const parts = shape.statuses.map(
    (status) => `
      select * from (
        select s.* from jobs.job_state s where ${filtered(shape)} and ${among([status])}
        order by ${ordered(shape)} limit $5::bigint + $6::bigint) part`,
  );
  return `
      select s.organization_id, s.id from (${parts.join(' union all ')}) s
      order by ${ordered(shape)} limit $5 offset $6`;
}

interface Part {
  readonly condition: string;
  readonly order: string;
}

function partsOf(shape: ListShape): Part[] {
  const { statuses, order, direction } = shape;
  const byId = `s.id ${direction}`;
  const [status] = statuses;
  if (status !== undefined) {
    const nulls = ENDED.includes(status) && order === 'completed_at' ? '' : undefined;
    return [{ condition: among([status]), order: ordered(shape, nulls) }];
  }
  if (order === 'status') {
    const each = [...ENDED, ...LIVE];
    if (direction === 'desc') each.reverse();
    return each.map((one) => ({ condition: among([one]), order: byId }));
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

function filtered(shape: ListShape): string {
  return all(['s.organization_id = $1', inQueues(shape), marked(shape, 's'), inRange(shape, 's')]);
}

function all(conditions: readonly string[]): string {
  return conditions.filter((condition) => condition !== '').join(' and ');
}

function inQueues({ hasScope, hasQueue }: ListShape): string {
  const scope = hasScope ? 's.queue_name = any ($2)' : '$2::text[] is null';
  return `${scope} and ${hasQueue ? 's.queue_name = $3' : '$3::text is null'}`;
}

/** That a row, of whatever table, is of a job with the tag and of the type; of the one that leads is nothing to be said. */
function marked({ tag, jobType }: ListShape, row: string, leader?: keyof typeof MARKS): string {
  const noTag = leader === 'tag' ? '' : '$4::text is null';
  const noType = leader === 'jobType' ? '' : '$7::text is null';
  return all([
    tag === 'none' ? noTag : tagged(row),
    jobType === 'none' ? noType : ofBody(row, 'b.job_type = $7'),
  ]);
}

/** That a row is of a job with the tag $4. */
export function tagged(row: string): string {
  return `exists (
        select from jobs.job_tag g where g.organization_id = ${row}.organization_id and g.tag = $4 and g.id = ${row}.id)`;
}

/** Ids lead to the place in the index; they are a little older than what is created with them. */
function inRange({ range }: ListShape, row: string): string {
  if (range === 'none') {
    return '$8::uuid is null and $9::uuid is null and $10::timestamptz is null and $11::timestamptz is null';
  }
  const ids = `${row}.id >= $8::uuid and ${row}.id <= $9::uuid`;
  if (range === 'ids') return `${ids} and $10::timestamptz is null and $11::timestamptz is null`;
  return `${ids} and ${ofBody(row, '($10::timestamptz is null or b.created_at >= $10) and ($11::timestamptz is null or b.created_at < $11)')}`;
}

/** That a row is of a job whose body is so. */
export function ofBody(row: string, condition: string): string {
  return `exists (
        select from jobs.job b where b.organization_id = ${row}.organization_id and b.id = ${row}.id and ${condition})`;
}

/** The most names that a search looks into. */
const MAX_NAMES = 5;

/** Queues of the organization whose names contain $2, whatever its case. */
export const queuesNamed = sql(
  'jobs.queues-named',
  `
  select n.name from (
    select queue_name as name from jobs.queue_counter where organization_id = $1
    union
    select queue_name from jobs.counter_delta where organization_id = $1
  ) n where position(lower($2::text) in lower(n.name)) > 0 order by n.name limit ${MAX_NAMES}`,
);

/** The same of job types, of the first thousand: from one to the next is an index probe. */
export const typesNamed = sql(
  'jobs.types-named',
  `
  with recursive known as (
    (select job_type as name, 1 as n from jobs.job
     where organization_id = $1 and job_type is not null order by job_type limit 1)
    union all
    select next.name, k.n + 1 from known k cross join lateral (
      select job_type as name from jobs.job
      where organization_id = $1 and job_type > k.name order by job_type limit 1) next
    where k.n < 1000
  )
  select name from known where position(lower($2::text) in lower(name)) > 0 order by name limit ${MAX_NAMES}`,
);

/** The job that holds the idempotency key $2. */
export const idOfKey = sql(
  'jobs.id-of-key',
  `select job_id as id from jobs.idempotency_key where organization_id = $1 and key = $2`,
);
