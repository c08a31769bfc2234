import { sql } from '@spooled/postgres';

/**
 * Inserts a batch of jobs: key, body, and the row that is their state. Keys are taken in key order, so two batches
 * with the same keys cannot wait for each other in a ring. Rows whose key is taken already are left out of the answer.
 * $15 and $16 are the server's defaults for retries and time-out.
 */
export const enqueue = sql(
  'jobs.enqueue',
  `
  with input as materialized (
    select i.ord, i.organization_id, i.id, i.queue_name, i.payload, i.priority,
      coalesce(i.max_retries, q.max_retries, $15::int)::smallint as max_retries,
      coalesce(i.timeout_seconds, q.default_timeout, $16::int) as timeout_seconds,
      i.tags, i.completion_webhook, i.completion_webhook_secret, i.idempotency_key,
      i.scheduled_at, i.expires_at, i.waits_for,
      case when i.waits_for is null and i.scheduled_at > now() then 'scheduled' else 'pending' end as status
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::json[], $5::smallint[], $6::int[], $7::int[], $8::jsonb[],
      $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::uuid[]) with ordinality
      as i(organization_id, id, queue_name, payload, priority, max_retries, timeout_seconds, tags,
        completion_webhook, completion_webhook_secret, idempotency_key, scheduled_at, expires_at, waits_for, ord)
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
      completion_webhook, completion_webhook_secret, idempotency_key, expires_at, created_at)
    select organization_id, id, queue_name, payload, max_retries, timeout_seconds, tags, waits_for,
      completion_webhook, completion_webhook_secret, idempotency_key, expires_at, now()
    from fresh order by ord
  ),
  ready as (
    insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, scheduled_at, expires_at, updated_at)
    select organization_id, id, queue_name, priority, 0, 1, scheduled_at, expires_at, now()
    from fresh where status = 'pending' and waits_for is null order by ord
  ),
  deferred as (
    insert into jobs.job_deferred (organization_id, id, queue_name, priority, status, retry_count, rev, due_at, waits_for,
      scheduled_at, expires_at, updated_at)
    select organization_id, id, queue_name, priority, status, 0, 1, scheduled_at, waits_for,
      scheduled_at, expires_at, now()
    from fresh where status = 'scheduled' or waits_for is not null
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

/** Locks a parent where it stands, so that it cannot end before its child is written. No row: it ended or never was. */
export const holdParent = sql(
  'jobs.hold-parent',
  `
  with ready as (
    select queue_name from jobs.job_ready where organization_id = $1 and id = $2 for share
  ), deferred as (
    select queue_name from jobs.job_deferred where organization_id = $1 and id = $2 for share
  ), running as (
    select queue_name from jobs.job_running where organization_id = $1 and id = $2 for share
  )
  select queue_name from ready union all select queue_name from deferred union all select queue_name from running`,
);

/** How a job ended, if it did. */
export const endOf = sql(
  'jobs.end-of',
  `select queue_name, status from jobs.job_finished where organization_id = $1 and id = $2`,
);

/** Names the parent of a job that need not wait for it any more. */
export const adopt = sql(
  'jobs.adopt',
  `update jobs.job set parent_job_id = $3 where organization_id = $1 and id = $2`,
);
