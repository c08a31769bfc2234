import { sql } from '@spooled/postgres';

const CONFIG = `id, organization_id, queue_name, max_retries, default_timeout, rate_limit, enabled, settings, created_at, updated_at`;

/** Queues by name: those with a configuration, and those that only have jobs. $2 scope, null = all. */
export const list = sql(
  'queues.list',
  `
  with known as (
    select queue_name from jobs.queue where organization_id = $1
    union
    select queue_name from (
      select queue_name, pending + scheduled + processing + completed + deadletter + cancelled as total
      from jobs.queue_counter where organization_id = $1
      union all
      select queue_name, pending + scheduled + processing + completed + deadletter + cancelled
      from jobs.counter_delta where organization_id = $1
    ) counted group by queue_name having sum(total) > 0
  )
  select k.queue_name, q.max_retries, q.default_timeout, q.rate_limit, q.enabled
  from known k left join jobs.queue q on q.organization_id = $1 and q.queue_name = k.queue_name
  where $2::text[] is null or k.queue_name = any ($2)
  order by k.queue_name limit 100`,
);

export const read = sql(
  'queues.read',
  `select ${CONFIG} from jobs.queue where organization_id = $1 and queue_name = $2`,
);

/** Keys of the settings that say that a queue is paused; only pause and resume write them. */
const PAUSE_MARKS = `array['paused', 'paused_at', 'paused_reason']`;

/** Creates or changes a configuration: nulls keep what is there, settings are merged key by key. */
export const configure = sql(
  'queues.configure',
  `
  insert into jobs.queue as q (organization_id, queue_name, max_retries, default_timeout, rate_limit, enabled, settings)
  values ($1, $2, coalesce($3::smallint, $8::smallint), coalesce($4::int, $9::int), $5::int, coalesce($6::boolean, true),
    coalesce($7::jsonb, '{}') - ${PAUSE_MARKS})
  on conflict (organization_id, queue_name) do update set
    max_retries = coalesce($3::smallint, q.max_retries),
    default_timeout = coalesce($4::int, q.default_timeout),
    rate_limit = coalesce($5::int, q.rate_limit),
    enabled = coalesce($6::boolean, q.enabled),
    settings = q.settings || (coalesce($7::jsonb, '{}') - ${PAUSE_MARKS}),
    updated_at = now()
  returning ${CONFIG}`,
);

/** Pauses a queue; pausing twice keeps the first instant. */
export const pause = sql(
  'queues.pause',
  `
  insert into jobs.queue as q (organization_id, queue_name, max_retries, default_timeout, enabled, settings)
  values ($1, $2, $4::smallint, $5::int, false, jsonb_build_object('paused', true, 'paused_at', now(), 'paused_reason', $3::text))
  on conflict (organization_id, queue_name) do update set
    enabled = false,
    settings = q.settings || jsonb_build_object('paused', true,
      'paused_at', coalesce(q.settings->'paused_at', to_jsonb(now())), 'paused_reason', $3::text),
    updated_at = now()
  returning (settings->>'paused_at')::timestamptz as paused_at`,
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
