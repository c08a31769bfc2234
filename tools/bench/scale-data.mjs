// An installation as it looks after millions of jobs, filled by SQL as the owner of the tables.
import { v7 as uuidv7 } from 'uuid';
import pg from 'pg';
import { anotherInstallation, createOrganization, startServer } from './environment.mjs';
import { finishedJobs, pendingJobs } from './sizes.mjs';

const ORGANIZATIONS = 10;
const CHUNK = 100_000;
/** What every queue of the made-up organizations is called, with its number after it. */
const QUEUE = 'queue-';
/** The queue that holds half of an organization's jobs. */
export const BIGGEST_QUEUE = `${QUEUE}0`;

/**
 * Half of the jobs belong to the first of ten organizations, half of each organization's jobs to the first of its
 * twenty queues. Ids grow with time, over the last twenty days; of those that wait, every twentieth is scheduled; of
 * those that ended, one in a hundred was given up and one in a hundred cancelled; one job in ten is tagged `often`, one
 * in ten thousand `seldom`.
 */
const fill = `
  with made as materialized (
    select n, n < $3::bigint as is_finished,
      case when random() < 0.5 then o.ids[1] else o.ids[2 + floor(random() * (array_length(o.ids, 1) - 1))::int] end as organization_id,
      '${QUEUE}' || case when random() < 0.5 then 0 else 1 + floor(random() * 19)::int end as queue_name,
      now() - make_interval(secs => (1 - n / $4::float8) * 20 * 86400) as at,
      uuidv7(make_interval(secs => -(1 - n / $4::float8) * 20 * 86400)) as id,
      random() as fate, random() as tagged
    from generate_series($1::bigint, $2::bigint - 1) n, (select $5::uuid[] as ids) o
    order by n
  ),
  bodies as (
    insert into jobs.job (organization_id, id, queue_name, payload, max_retries, timeout_seconds, tags, created_at)
    select organization_id, id, queue_name,
      '{"to":"someone@example.com","subject":"Welcome","template":"welcome-2","retries":3,"locale":"en"}', 3, 300,
      case when tagged < 0.1 then '["often"]'::jsonb when tagged < 0.1001 then '["seldom"]' end, at
    from made
  ),
  tags as (
    insert into jobs.job_tag (organization_id, tag, id)
    select organization_id, case when tagged < 0.1 then 'often' else 'seldom' end, id from made where tagged < 0.1001
  ),
  finished as (
    insert into jobs.job_finished (organization_id, id, queue_name, status, priority, retry_count, rev, started_at,
      completed_at, worker_id, last_error, updated_at)
    select organization_id, id, queue_name,
      case when fate < 0.01 then 'deadletter' when fate < 0.02 then 'cancelled' else 'completed' end, 0, 0, 3, at,
      at + make_interval(secs => fate * 60), 'w', case when fate < 0.01 then 'gone wrong' end, at + make_interval(secs => fate * 60)
    from made where is_finished
  ),
  letters as (
    insert into jobs.dead_letter (organization_id, job_id, queue_name, reason, error, payload, created_at)
    select organization_id, id, queue_name, 'retries spent', 'gone wrong', '{"to":"someone@example.com"}', at
    from made where is_finished and fate < 0.01
  ),
  deferred as (
    insert into jobs.job_deferred (organization_id, id, queue_name, priority, status, retry_count, rev, due_at, scheduled_at,
      updated_at)
    select organization_id, id, queue_name, 0, 'scheduled', 0, 1, now() + make_interval(secs => 86400 * (1 + fate)),
      now() + make_interval(secs => 86400 * (1 + fate)), at
    from made where not is_finished and fate < 0.05
  )
  insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, updated_at)
  select organization_id, id, queue_name, 0, 0, 1, at
  from made where not is_finished and fate >= 0.05`;

const counters = `
  insert into jobs.queue_counter (organization_id, queue_name, pending, scheduled, completed, deadletter, cancelled)
  select organization_id, queue_name, count(*) filter (where status = 'pending'), count(*) filter (where status = 'scheduled'),
    count(*) filter (where status = 'completed'), count(*) filter (where status = 'deadletter'),
    count(*) filter (where status = 'cancelled')
  from jobs.job_state group by organization_id, queue_name`;

const activity = `
  insert into jobs.queue_activity (organization_id, queue_name, bucket, created, completed, processing_ms)
  select organization_id, queue_name, bucket, 100, 100, 1000
  from jobs.queue_counter,
    generate_series(date_bin('10 minutes', now() - interval '25 hours', timestamptz 'epoch'), now(), interval '10 minutes') bucket`;

/** The filled installation: made by the first part that asks, shared by the others. `key` is the biggest tenant's. */
export async function filledInstallation(environment) {
  environment.filled ??= await makeFilled(environment);
  return environment.filled;
}

async function makeFilled(environment) {
  const startedAt = performance.now();
  const installation = await anotherInstallation(environment, 'filled');
  const { ids, key } = await createOrganizations(installation);
  await fillTables(installation, ids);
  const { client } = installation;
  await client.query(counters);
  await client.query(activity);
  // What autovacuum does to tables of this size in its own time. The hot tables keep their pinned statistics.
  await client.query('vacuum (parallel 0) jobs.job_ready, jobs.job_deferred');
  await client.query('vacuum (analyze, parallel 0) jobs.job, jobs.job_finished, jobs.dead_letter');
  await client.query('checkpoint');
  const { rows } = await client.query(
    `select pg_size_pretty(pg_database_size(current_database())) as size`,
  );
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  console.log(
    `${finishedJobs.toLocaleString('en')} finished and ${pendingJobs.toLocaleString('en')} waiting jobs made in ${seconds} s, ${rows[0].size}`,
  );
  return { ...installation, key, organizationId: ids[0] };
}

async function createOrganizations(installation) {
  const server = await startServer(installation);
  try {
    const made = [];
    for (let index = 0; index < ORGANIZATIONS; index += 1) {
      made.push(await createOrganization(server, `filled-${uuidv7()}`));
    }
    return { ids: made.map(({ organizationId }) => organizationId), key: made[0].key };
  } finally {
    await server.stop();
  }
}

async function fillTables({ databaseUrl }, ids) {
  const total = finishedJobs + pendingJobs;
  let next = 0;
  const work = async () => {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    await client.query('set synchronous_commit = off; set jit = off');
    while (next < total) {
      const from = next;
      next = Math.min(total, from + CHUNK);
      await client.query(fill, [from, next, finishedJobs, total, ids]);
    }
    await client.end();
  };
  await Promise.all([work(), work()]);
}
