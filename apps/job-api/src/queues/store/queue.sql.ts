import { sql } from '@spooled/postgres';

/** Since when a queue is paused and why, of the marks in its settings; null while it is not. */
const PAUSE = `(settings->>'paused_at')::timestamptz as paused_at, settings->>'paused_reason' as pause_reason`;

const CONFIG = `id, organization_id, queue_name, max_retries, default_timeout, rate_limit, enabled, settings, ${PAUSE},
  created_at, updated_at`;

/** Queues by name: those with a configuration, those that have jobs, those that schedules feed. $2 scope, null = all. */
export const list = sql(
  'queues.list',
  `
  with known as (
    select queue_name from jobs.queue where organization_id = $1
    union
    select queue_name from jobs.scheduled_queue where organization_id = $1
    union
    select queue_name from (
      select queue_name, pending + scheduled + processing + completed + deadletter + cancelled as total
      from jobs.queue_counter where organization_id = $1
      union all
      select queue_name, pending + scheduled + processing + completed + deadletter + cancelled
      from jobs.counter_delta where organization_id = $1
    ) counted group by queue_name having sum(total) > 0
  )
  select k.queue_name, q.max_retries, q.default_timeout, q.rate_limit, q.enabled, ${PAUSE}
  from known k left join jobs.queue q on q.organization_id = $1 and q.queue_name = k.queue_name
  where $2::text[] is null or k.queue_name = any ($2)
  order by k.queue_name limit 100`,
);

export const read = sql(
  'queues.read',
  `select ${CONFIG} from jobs.queue where organization_id = $1 and queue_name = $2`,
);

/** Whether the queue $2 has jobs: an index probe, as every job has a body. */
const HAS_JOBS = `exists (select from jobs.job where organization_id = $1 and queue_name = $2)`;
const IS_SCHEDULED = `exists (select from jobs.scheduled_queue where organization_id = $1 and queue_name = $2)`;
const IS_CONFIGURED = `exists (select from jobs.queue where organization_id = $1 and queue_name = $2)`;

/** Why a queue exists. */
export const traces = sql(
  'queues.traces',
  `select ${HAS_JOBS} as has_jobs, ${IS_SCHEDULED} as is_scheduled, ${IS_CONFIGURED} as is_configured`,
);

/** Keys of the settings that say that a queue is paused. They are there exactly while it is not enabled. */
const PAUSE_MARKS = `array['paused', 'paused_at', 'paused_reason']`;

/** The settings `given` as a paused queue has them: what marks an earlier pause left wins. */
const paused = (given: string): string =>
  `jsonb_build_object('paused', true, 'paused_at', now(), 'paused_reason', null) || ${given}`;

/** The settings `given` after $6, enabled: true takes the marks of a pause away, false makes them, null leaves them. */
const marked = (given: string): string => `
  case when $6::boolean then (${given}) - ${PAUSE_MARKS} when not $6::boolean then ${paused(`(${given})`)} else ${given} end`;

/** Settings as the caller gives them; the marks of a pause are not his to write. */
const GIVEN_SETTINGS = `coalesce($7::jsonb, '{}') - ${PAUSE_MARKS}`;

/**
 * Creates or changes a configuration: nulls keep what is there, settings are merged key by key. $5 is the rate limit, $10
 * whether it is given: its null means none. A limited queue has a pace from the first claim on.
 */
export const configure = sql(
  'queues.configure',
  `
  with configured as (
    insert into jobs.queue as q (organization_id, queue_name, max_retries, default_timeout, rate_limit, enabled, settings)
    values ($1, $2, coalesce($3::smallint, $8::smallint), coalesce($4::int, $9::int), $5::int, coalesce($6::boolean, true),
      ${marked(GIVEN_SETTINGS)})
    on conflict (organization_id, queue_name) do update set
      max_retries = coalesce($3::smallint, q.max_retries),
      default_timeout = coalesce($4::int, q.default_timeout),
      rate_limit = case when $10::boolean then $5::int else q.rate_limit end,
      enabled = coalesce($6::boolean, q.enabled),
      settings = ${marked(`q.settings || (${GIVEN_SETTINGS})`)},
      updated_at = now()
    returning ${CONFIG}
  ),
  paced as (
    insert into jobs.queue_pace (organization_id, queue_name)
    select organization_id, queue_name from configured where rate_limit is not null
    on conflict do nothing
  )
  select ${CONFIG} from configured`,
);

/** For a queue that is not limited any more. Its own statement: it must see what was committed before the queue's row was ours. */
export const dropPace = sql(
  'queues.drop-pace',
  `delete from jobs.queue_pace where organization_id = $1 and queue_name = $2`,
);

/** Holds a queue's configuration, and tells for how many seconds it is paused; null while it is not. */
export const lockPause = sql(
  'queues.lock-pause',
  `
  select case when enabled then null
    else greatest(0, floor(extract(epoch from now() - coalesce((settings->>'paused_at')::timestamptz, now()))))::int
    end as paused_secs
  from jobs.queue where organization_id = $1 and queue_name = $2 for update`,
);

/** Pauses a queue that exists, with or without a configuration; pausing twice keeps the first instant, and tells so. */
export const pause = sql(
  'queues.pause',
  `
  insert into jobs.queue as q (organization_id, queue_name, max_retries, default_timeout, enabled, settings)
  select $1::uuid, $2::text, $4::smallint, $5::int, false,
    jsonb_build_object('paused', true, 'paused_at', now(), 'paused_reason', $3::text)
  where ${HAS_JOBS} or ${IS_SCHEDULED} or ${IS_CONFIGURED}
  on conflict (organization_id, queue_name) do update set
    enabled = false,
    settings = q.settings || jsonb_build_object('paused', true,
      'paused_at', coalesce(q.settings->'paused_at', to_jsonb(now())), 'paused_reason', $3::text),
    updated_at = now()
  returning (settings->>'paused_at')::timestamptz as paused_at,
    (settings->>'paused_at')::timestamptz = now() as is_first`,
);

/** Lets a queue go on; answers since when it was paused. */
export const resume = sql(
  'queues.resume',
  `
  with old as (
    select (settings->>'paused_at')::timestamptz as paused_at from jobs.queue
    where organization_id = $1 and queue_name = $2 for update
  )
  update jobs.queue q set enabled = true, settings = q.settings - ${PAUSE_MARKS}, updated_at = now()
  from old where q.organization_id = $1 and q.queue_name = $2
  returning greatest(0, floor(extract(epoch from now() - old.paused_at)))::int as paused_secs`,
);

/** Deletes the configuration of a queue without pending or processing jobs. Answers how it was found. */
export const removeIdle = sql(
  'queues.remove-idle',
  `
  with live as materialized (
    select coalesce(sum(pending + processing), 0) as jobs from (
      select pending, processing from jobs.queue_counter where organization_id = $1 and queue_name = $2
      union all
      select pending, processing from jobs.counter_delta where organization_id = $1 and queue_name = $2
    ) counted
  ),
  gone as (
    delete from jobs.queue where organization_id = $1 and queue_name = $2 and (select jobs from live) = 0
    returning queue_name
  )
  select exists (select from gone) as is_removed, (select jobs from live) > 0 as is_busy,
    ${IS_CONFIGURED} as is_configured, ${HAS_JOBS} as has_jobs, ${IS_SCHEDULED} as is_scheduled`,
);

/** Makes $2 the queues that schedules of the organization feed. Rows are written in order, so nobody waits in a ring. */
export const setScheduled = sql(
  'queues.set-scheduled',
  `
  with stale as materialized (
    select queue_name from jobs.scheduled_queue where organization_id = $1
    except select unnest($2::text[])
  ),
  gone as (
    delete from jobs.scheduled_queue s using stale t where s.organization_id = $1 and s.queue_name = t.queue_name
  )
  insert into jobs.scheduled_queue (organization_id, queue_name)
  select distinct $1::uuid, name from unnest($2::text[]) as n(name) order by name
  on conflict do nothing`,
);

const COUNTS = ['pending', 'scheduled', 'processing', 'completed', 'deadletter', 'cancelled'];
const SUMS = COUNTS.map((name) => `coalesce(sum(${name}), 0)::bigint as ${name}`).join(', ');

/** Exact counts per queue. $2 queue names, null = all. */
export const counters = sql(
  'queues.counters',
  `
  with counted as (
    select queue_name, ${COUNTS.join(', ')} from jobs.queue_counter
    where organization_id = $1 and ($2::text[] is null or queue_name = any ($2))
    union all
    select queue_name, ${COUNTS.join(', ')} from jobs.counter_delta
    where organization_id = $1 and ($2::text[] is null or queue_name = any ($2))
  ),
  summed as (select queue_name, ${SUMS} from counted group by queue_name),
  paused as (
    select queue_name from jobs.queue
    where organization_id = $1 and not enabled and ($2::text[] is null or queue_name = any ($2))
  )
  select coalesce(s.queue_name, p.queue_name) as queue_name, ${COUNTS.map((name) => `coalesce(s.${name}, 0) as ${name}`).join(', ')},
    p.queue_name is not null as paused
  from summed s full join paused p using (queue_name)`,
);

/**
 * Activity of the last 24 hours and the age of the oldest job that waits. The oldest ready job is looked for at the
 * head of each priority: an index probe per priority in use, where `min(created_at)` would read every waiting job.
 */
export const activity = sql(
  'queues.activity',
  `
  with recursive head as (
    (select priority, id from jobs.job_ready where organization_id = $1 and queue_name = $2
     order by priority desc, id limit 1)
    union all
    select n.priority, n.id from head h cross join lateral (
      select priority, id from jobs.job_ready
      where organization_id = $1 and queue_name = $2 and priority < h.priority
      order by priority desc, id limit 1
    ) n
  ),
  oldest as (
    select min(j.created_at) as created_at from jobs.job j
    where j.organization_id = $1 and j.id = any (
      (select array_agg(id) from head)
      || (select array_agg(id) from (
        select id from jobs.job_deferred where organization_id = $1 and queue_name = $2 order by id limit 1) d))
  ),
  day as (
    select completed, deadletter, processing_ms from jobs.queue_activity
    where organization_id = $1 and queue_name = $2 and bucket > now() - interval '24 hours'
    union all
    select completed, deadletter, processing_ms from jobs.counter_delta
    where organization_id = $1 and queue_name = $2 and is_activity
  )
  select coalesce(sum(completed), 0)::bigint as completed, coalesce(sum(deadletter), 0)::bigint as deadletter,
    (sum(processing_ms) / nullif(sum(completed), 0))::float8 as average_ms,
    (select floor(extract(epoch from now() - created_at))::int from oldest) as oldest_secs
  from day`,
);
