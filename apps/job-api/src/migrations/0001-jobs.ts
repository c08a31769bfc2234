import type { Migration } from '@spooled/postgres';

const HOT = `with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 10000, autovacuum_vacuum_cost_delay = 0)`;

const TENANT_TABLES = [
  'job',
  'job_ready',
  'job_deferred',
  'job_running',
  'job_finished',
  'job_progress',
  'job_log',
  'dead_letter',
  'idempotency_key',
  'queue',
  'counter_delta',
  'queue_counter',
  'queue_activity',
];

/**
 * Statistics that say what is always true here: an organization, a queue, a worker have many jobs, an id has one. Left
 * alone, the planner sees tables that are empty at one moment and full at the next, takes "all jobs of the
 * organization" for as selective as "this id", and reads thousands of rows per job (measured: claim of 400 jobs 80 ms,
 * with these 5 ms). So made-up rows are analyzed once, and the three hot tables are never analyzed again by autovacuum.
 */
const pinnedStatistics = `
${['job', 'job_ready', 'job_deferred', 'job_running', 'job_finished']
  .map(
    (table) => `alter table jobs.${table}
  alter organization_id set statistics 1, alter queue_name set statistics 1;`,
  )
  .join('\n')}
alter table jobs.job_running alter worker_id set statistics 1;
create temporary table made_up on commit drop as
  select ('00000000-0000-4000-8000-00000000000' || n % 8)::uuid as organization_id, gen_random_uuid() as id,
    'queue-' || n / 8 % 8 as queue_name, 'worker-' || n / 64 % 8 as worker_id, now() + make_interval(secs => n) as at
  from generate_series(1, 8000) n;
insert into jobs.job (organization_id, id, queue_name, payload, max_retries, timeout_seconds, created_at)
  select organization_id, id, queue_name, '{}', 3, 300, at from made_up;
insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, updated_at)
  select organization_id, id, queue_name, 0, 0, 1, at from made_up;
insert into jobs.job_deferred (organization_id, id, queue_name, priority, status, retry_count, rev, due_at, updated_at)
  select organization_id, id, queue_name, 0, 'scheduled', 0, 1, at, at from made_up;
insert into jobs.job_running (organization_id, id, queue_name, priority, retry_count, max_retries, rev, started_at,
    worker_id, lease_id, lease_expires_at, updated_at)
  select organization_id, id, queue_name, 0, 0, 3, 1, at, worker_id, id, at, at from made_up;
insert into jobs.job_finished (organization_id, id, queue_name, status, priority, retry_count, rev, completed_at, updated_at)
  select organization_id, id, queue_name, 'completed', 0, 0, 1, at, at from made_up;
analyze jobs.job, jobs.job_ready, jobs.job_deferred, jobs.job_running, jobs.job_finished;
truncate jobs.job, jobs.job_ready, jobs.job_deferred, jobs.job_running, jobs.job_finished;
alter table jobs.job_ready set (autovacuum_analyze_threshold = 2147483647);
alter table jobs.job_deferred set (autovacuum_analyze_threshold = 2147483647);
alter table jobs.job_running set (autovacuum_analyze_threshold = 2147483647);
`;

const policies = TENANT_TABLES.map(
  (table) => `
alter table jobs.${table} enable row level security;
alter table jobs.${table} force row level security;
create policy tenant on jobs.${table} to spooled_jobs
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy maintenance on jobs.${table} to spooled_jobs_maintenance using (true);`,
).join('\n');

const tables = `
create schema if not exists jobs;
do $$ begin
  create role spooled_jobs nologin;
exception when duplicate_object or unique_violation then null;
end $$;
do $$ begin
  create role spooled_jobs_maintenance nologin;
exception when duplicate_object or unique_violation then null;
end $$;
-- An owner that is no superuser may only take on roles it is a member of.
do $$ begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    grant spooled_jobs, spooled_jobs_maintenance to current_user;
  end if;
end $$;
grant spooled_event_writer to spooled_jobs;
grant spooled_events to spooled_jobs_maintenance;

-- What the producer gave, written once. The state of a job is the one of the four tables below that holds its id.
create table jobs.job (
  organization_id uuid not null,
  id uuid not null,
  queue_name text not null,
  payload json not null,
  max_retries smallint not null,
  timeout_seconds integer not null,
  tags jsonb,
  parent_job_id uuid,
  completion_webhook text,
  completion_webhook_secret text,
  idempotency_key text,
  expires_at timestamptz,
  created_at timestamptz not null,
  primary key (organization_id, id)
);
-- Ids are UUIDv7, so id order is the order of creation.
create index job_by_queue on jobs.job (organization_id, queue_name, id);

-- pending and claimable now.
create table jobs.job_ready (
  organization_id uuid not null,
  id uuid not null,
  queue_name text not null,
  priority smallint not null,
  retry_count smallint not null,
  rev integer not null,
  scheduled_at timestamptz,
  expires_at timestamptz,
  started_at timestamptz,
  last_worker_id text,
  last_error text,
  updated_at timestamptz not null,
  primary key (organization_id, id)
) ${HOT};
create index job_ready_claim on jobs.job_ready (organization_id, queue_name, priority desc, id);
create index job_ready_expiry on jobs.job_ready (expires_at) where expires_at is not null;

-- Not claimable yet: scheduled, backing off (pending with a due time), or waiting for a parent (pending without one).
create table jobs.job_deferred (
  organization_id uuid not null,
  id uuid not null,
  queue_name text not null,
  priority smallint not null,
  status text not null check (status in ('pending', 'scheduled')),
  retry_count smallint not null,
  rev integer not null,
  due_at timestamptz,
  waits_for uuid,
  scheduled_at timestamptz,
  expires_at timestamptz,
  started_at timestamptz,
  last_worker_id text,
  last_error text,
  updated_at timestamptz not null,
  primary key (organization_id, id),
  check (due_at is not null or waits_for is not null)
) ${HOT};
create index job_deferred_due on jobs.job_deferred (due_at) where waits_for is null;
create index job_deferred_waiting on jobs.job_deferred (organization_id, waits_for) where waits_for is not null;
create index job_deferred_by_queue on jobs.job_deferred (organization_id, queue_name, id);
create index job_deferred_expiry on jobs.job_deferred (expires_at) where expires_at is not null;

-- processing: leased to a worker until an instant, fenced by a lease id of its own.
create table jobs.job_running (
  organization_id uuid not null,
  id uuid not null,
  queue_name text not null,
  priority smallint not null,
  retry_count smallint not null,
  max_retries smallint not null,
  rev integer not null,
  scheduled_at timestamptz,
  expires_at timestamptz,
  started_at timestamptz not null,
  worker_id text not null,
  lease_id uuid not null,
  lease_expires_at timestamptz not null,
  last_error text,
  updated_at timestamptz not null,
  primary key (organization_id, id)
) ${HOT};
create index job_running_expiry on jobs.job_running (lease_expires_at);
create index job_running_by_worker on jobs.job_running (organization_id, worker_id);

-- completed, failed, deadletter, cancelled.
create table jobs.job_finished (
  organization_id uuid not null,
  id uuid not null,
  queue_name text not null,
  status text not null check (status in ('completed', 'failed', 'deadletter', 'cancelled')),
  priority smallint not null,
  retry_count smallint not null,
  rev integer not null,
  scheduled_at timestamptz,
  started_at timestamptz,
  completed_at timestamptz not null,
  worker_id text,
  result json,
  last_error text,
  updated_at timestamptz not null,
  primary key (organization_id, id)
);
create index job_finished_retention on jobs.job_finished (organization_id, completed_at);
create index job_finished_deadletter on jobs.job_finished (organization_id, queue_name, id) where status = 'deadletter';

create table jobs.job_progress (
  organization_id uuid not null,
  id uuid not null,
  percent real not null check (percent between 0 and 100),
  message text,
  updated_at timestamptz not null,
  primary key (organization_id, id)
);

create table jobs.job_log (
  organization_id uuid not null,
  id uuid not null,
  line_number bigint generated always as identity,
  line text not null,
  logged_at timestamptz not null,
  primary key (organization_id, id, line_number)
);

-- Why a job was given up, with what it carried.
create table jobs.dead_letter (
  organization_id uuid not null,
  job_id uuid not null,
  queue_name text not null,
  reason text not null,
  error text,
  payload json not null,
  created_at timestamptz not null,
  primary key (organization_id, job_id)
);

-- Written only for jobs that bring a key; lives as long as the job.
create table jobs.idempotency_key (
  organization_id uuid not null,
  key text not null,
  job_id uuid not null,
  primary key (organization_id, key)
);

create table jobs.queue (
  organization_id uuid not null,
  queue_name text not null,
  id uuid not null default gen_random_uuid(),
  max_retries smallint not null default 3,
  default_timeout integer not null default 300,
  rate_limit integer,
  enabled boolean not null default true,
  settings jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, queue_name)
);

-- What each transaction changed in the counts of a queue, folded into the two tables below by maintenance.
-- Counts are always "folded + not yet folded", read in one snapshot, so they are exact and nobody counts rows.
create table jobs.counter_delta (
  organization_id uuid not null,
  queue_name text not null,
  created integer not null default 0,
  pending integer not null default 0,
  scheduled integer not null default 0,
  processing integer not null default 0,
  completed integer not null default 0,
  deadletter integer not null default 0,
  cancelled integer not null default 0,
  -- Of the jobs completed here: the sum of their processing times.
  processing_ms bigint not null default 0,
  -- False for changes that are no activity, such as retention.
  is_activity boolean not null default true,
  at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
create index counter_delta_by_queue on jobs.counter_delta (organization_id, queue_name);

create table jobs.queue_counter (
  organization_id uuid not null,
  queue_name text not null,
  pending bigint not null default 0,
  scheduled bigint not null default 0,
  processing bigint not null default 0,
  completed bigint not null default 0,
  deadletter bigint not null default 0,
  cancelled bigint not null default 0,
  primary key (organization_id, queue_name)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- What happened in each ten minutes.
create table jobs.queue_activity (
  organization_id uuid not null,
  queue_name text not null,
  bucket timestamptz not null,
  created bigint not null default 0,
  completed bigint not null default 0,
  deadletter bigint not null default 0,
  processing_ms bigint not null default 0,
  primary key (organization_id, queue_name, bucket)
) with (fillfactor = 50);

-- One row per job, from whichever table holds it.
create view jobs.job_state with (security_invoker = true) as
  select organization_id, id, queue_name, 'pending'::text as status, priority, retry_count, rev, scheduled_at,
    started_at, null::timestamptz as completed_at, last_worker_id as worker_id, null::uuid as lease_id,
    null::timestamptz as lease_expires_at, null::json as result, last_error, true as dependencies_met, updated_at
  from jobs.job_ready
  union all
  select organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at,
    started_at, null, last_worker_id, null, null, null, last_error, waits_for is null, updated_at
  from jobs.job_deferred
  union all
  select organization_id, id, queue_name, 'processing', priority, retry_count, rev, scheduled_at,
    started_at, null, worker_id, lease_id, lease_expires_at, null, last_error, true, updated_at
  from jobs.job_running
  union all
  select organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at,
    started_at, completed_at, worker_id, null, null, result, last_error, true, updated_at
  from jobs.job_finished;

grant usage on schema jobs to spooled_jobs, spooled_jobs_maintenance;
grant select, insert, update, delete on all tables in schema jobs to spooled_jobs, spooled_jobs_maintenance;
${pinnedStatistics}
${policies}
`;

export const jobsMigration: Migration = { name: '0001-jobs', up: tables };
