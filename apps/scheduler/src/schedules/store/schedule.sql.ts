import { OrganizationRows, sql } from '@spooled/postgres';

const columns = columnsWith('payload_template');

/**
 * Makes everything that adds an active schedule to one organization, and everything that tells job-api of its queues,
 * come one after the other, until commit.
 */
export const lockSlots = sql(
  'schedules.lock-slots',
  `select pg_advisory_xact_lock(hashtextextended('schedules.slots ' || $1::uuid, 0))`,
);

/**
 * The active schedules, the queues they feed, and what time it is. Its own statement: one that waited for the lock would
 * count as of before the wait.
 */
export const usage = sql(
  'schedules.usage',
  `select count(*) as active, coalesce(array_agg(distinct queue_name), '{}') as queue_names, clock_timestamp() as now
   from schedules.schedule where organization_id = $1 and is_active`,
);

export const find = sql(
  'schedules.find',
  `select ${columns} from schedules.schedule where organization_id = $1 and id = $2`,
);

/** Also tells what time it is. */
export const lock = sql(
  'schedules.lock',
  `select ${columns}, clock_timestamp() as now from schedules.schedule
   where organization_id = $1 and id = $2 for update`,
);

/**
 * Newest first; $2 names the queues to look at, null = every queue. Payloads are left out when they are larger than $5
 * bytes together.
 */
export const list = sql(
  'schedules.list',
  `with page as (
     select organization_id as org, id as schedule_id, sum(body_bytes) over () as page_bytes
     from (
       select organization_id, id, body_bytes from schedules.schedule
       where organization_id = $1 and ($2::text[] is null or queue_name = any ($2))
       order by id desc limit $3 offset $4
     ) newest
   )
   select ${columnsWith('case when page_bytes <= $5 then payload_template end as payload_template')}, page_bytes
   from page join schedules.schedule on organization_id = org and id = schedule_id
   order by id desc`,
);

export const insert = sql(
  'schedules.insert',
  `insert into schedules.schedule (organization_id, id, name, description, cron_expression, timezone, queue_name,
     payload_template, priority, max_retries, timeout_seconds, tags, metadata, body_bytes, next_run_at)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
   returning ${columns}`,
);

/** Writes a definition anew, and whether and when it fires next. */
export const revise = sql(
  'schedules.revise',
  `update schedules.schedule
   set name = $3, description = $4, cron_expression = $5, timezone = $6, queue_name = $7, payload_template = $8,
     priority = $9, max_retries = $10, timeout_seconds = $11, tags = $12, metadata = $13, body_bytes = $14,
     next_run_at = $15, is_active = $16, updated_at = now()
   where organization_id = $1 and id = $2
   returning ${columns}`,
);

export const setActive = sql(
  'schedules.set-active',
  `update schedules.schedule set is_active = $3, next_run_at = $4, updated_at = now()
   where organization_id = $1 and id = $2
   returning ${columns}`,
);

export const remove = sql(
  'schedules.remove',
  `delete from schedules.schedule where organization_id = $1 and id = $2`,
);

/** Remembers that job-api may hold queues of this organization. Undone with a schedule that was not made after all. */
export const markFeeder = sql(
  'schedules.mark-feeder',
  `insert into schedules.feeder (organization_id) values ($1) on conflict (organization_id) do nothing`,
);

export const unmarkFeeder = sql(
  'schedules.unmark-feeder',
  `delete from schedules.feeder where organization_id = $1`,
);

/** A page of organizations after $1. */
export const feeders = sql(
  'schedules.feeders',
  `select organization_id from schedules.feeder where organization_id > $1 order by organization_id limit $2`,
);

function columnsWith(payloadTemplate: string): string {
  return `organization_id, id, name, description, cron_expression, timezone, queue_name, ${payloadTemplate}, priority,
  max_retries, timeout_seconds, tags, metadata, is_active, next_run_at, last_run_at, run_count, created_at, updated_at`;
}

/** The runs after the schedules: those of a schedule could still be made. */
export const rows = new OrganizationRows('schedules', ['schedule', 'run', 'feeder']);
