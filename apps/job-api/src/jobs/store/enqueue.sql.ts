import { sql } from '@spooled/postgres';

/**
 * Inserts a batch of jobs: key, body, and the row that is their state. Keys are taken in key order, so two batches
 * with the same keys cannot wait for each other in a ring. Rows whose key is taken already are left out of the answer.
 * $19 and $20 are the server's defaults for retries and time-out.
 */
export const enqueue = sql(
  'jobs.enqueue',
  `
  with input as materialized (
    select i.ord, i.organization_id, i.id, i.queue_name, i.payload, i.priority,
      coalesce(i.max_retries, q.max_retries, $19::int)::smallint as max_retries,
      coalesce(i.timeout_seconds, q.default_timeout, $20::int) as timeout_seconds,
      i.tags, i.completion_webhook, i.completion_webhook_secret, i.idempotency_key,
      i.scheduled_at, i.expires_at, i.parent_job_id, i.workflow_id, i.dependency_mode, i.waiting_on, i.job_type,
      i.traceparent,
      case when i.waiting_on is null and i.scheduled_at > now() then 'scheduled' else 'pending' end as status
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::json[], $5::smallint[], $6::int[], $7::int[], $8::jsonb[],
      $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::uuid[], $15::uuid[], $16::text[],
      $17::smallint[], $18::text[], $21::text[]) with ordinality
      as i(organization_id, id, queue_name, payload, priority, max_retries, timeout_seconds, tags,
        completion_webhook, completion_webhook_secret, idempotency_key, scheduled_at, expires_at, parent_job_id, workflow_id,
        dependency_mode, waiting_on, job_type, traceparent, ord)
    left join jobs.queue q on q.organization_id = i.organization_id and q.queue_name = i.queue_name
  ),
  keyed as (
    insert into jobs.idempotency_key (organization_id, key, job_id)
    select organization_id, idempotency_key, id from input where idempotency_key is not null
    order by organization_id, idempotency_key, ord
    on conflict do nothing
    returning job_id
  ),
  fresh as materialized (
    select * from input where idempotency_key is null or id in (select job_id from keyed)
  ),
  bodies as (
    insert into jobs.job (organization_id, id, queue_name, payload, max_retries, timeout_seconds, tags, parent_job_id,
      completion_webhook, completion_webhook_secret, idempotency_key, expires_at, workflow_id, dependency_mode, job_type, created_at,
      traceparent)
    select organization_id, id, queue_name, payload, max_retries, timeout_seconds, tags, parent_job_id,
      completion_webhook, completion_webhook_secret, idempotency_key, expires_at, workflow_id, dependency_mode, job_type, now(),
      traceparent
    from fresh order by ord
  ),
  tagged as (
    insert into jobs.job_tag (organization_id, tag, id)
    select f.organization_id, t.tag, f.id from fresh f cross join lateral jobs.tags_in(f.tags) t(tag)
    where f.tags is not null
  ),
  ready as (
    insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, scheduled_at, expires_at, workflow_id,
      updated_at)
    select organization_id, id, queue_name, priority, 0, 1, scheduled_at, expires_at, workflow_id, now()
    from fresh where status = 'pending' and waiting_on is null order by ord
  ),
  deferred as (
    insert into jobs.job_deferred (organization_id, id, queue_name, priority, status, retry_count, rev, due_at, waiting_on,
      scheduled_at, expires_at, workflow_id, updated_at)
    select organization_id, id, queue_name, priority, status, 0, 1, scheduled_at, waiting_on,
      scheduled_at, expires_at, workflow_id, now()
    from fresh where status = 'scheduled' or waiting_on is not null
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, created, pending, scheduled)
    select organization_id, queue_name, count(*), count(*) filter (where status = 'pending'),
      count(*) filter (where status = 'scheduled')
    from fresh group by organization_id, queue_name
  )
  select ord::int, status, now() as created_at from fresh order by ord`,
);

/**
 * The jobs that hold idempotency keys. A statement of its own: it must see keys that were committed while the insert
 * above waited for them. Being asked for again counts as a change of the job.
 */
export const jobsByKey = sql(
  'jobs.jobs-by-key',
  `
  with hit as materialized (
    select i.ord, k.organization_id, k.job_id, j.queue_name
    from unnest($1::uuid[], $2::text[]) with ordinality as i(organization_id, key, ord)
    join jobs.idempotency_key k on k.organization_id = i.organization_id and k.key = i.key
    join jobs.job j on j.organization_id = k.organization_id and j.id = k.job_id
  ),
  ready as (
    update jobs.job_ready s set updated_at = now() from hit h
    where s.organization_id = h.organization_id and s.id = h.job_id
  ),
  deferred as (
    update jobs.job_deferred s set updated_at = now() from hit h
    where s.organization_id = h.organization_id and s.id = h.job_id
  ),
  running as (
    update jobs.job_running s set updated_at = now() from hit h
    where s.organization_id = h.organization_id and s.id = h.job_id
  ),
  finished as (
    update jobs.job_finished s set updated_at = now() from hit h
    where s.organization_id = h.organization_id and s.id = h.job_id
  )
  select ord::int, job_id, queue_name from hit`,
);

/** Which idempotency keys are taken. */
export const takenKeys = sql(
  'jobs.taken-keys',
  `
  select k.organization_id, k.key from unnest($1::uuid[], $2::text[]) as i(organization_id, key)
  join jobs.idempotency_key k on k.organization_id = i.organization_id and k.key = i.key`,
);

/** Which of these ids are jobs already. */
export const knownIds = sql(
  'jobs.known-ids',
  `
  select j.id from unnest($1::uuid[], $2::uuid[]) as i(organization_id, id)
  join jobs.job j on j.organization_id = i.organization_id and j.id = i.id`,
);
