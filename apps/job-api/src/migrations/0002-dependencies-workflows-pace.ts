import type { Migration } from '@spooled/postgres';

const TENANT_TABLES = [
  'job_dependency',
  'workflow',
  'workflow_job',
  'queue_pace',
  'scheduled_queue',
  'daily_count',
];

const policies = TENANT_TABLES.map(
  (table) => `
alter table jobs.${table} enable row level security;
alter table jobs.${table} force row level security;
create policy tenant on jobs.${table} to spooled_jobs
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy maintenance on jobs.${table} to spooled_jobs_maintenance using (true);
grant select, insert, update, delete on jobs.${table} to spooled_jobs, spooled_jobs_maintenance;`,
).join('\n');

const STATE_TABLES = ['job_ready', 'job_deferred', 'job_running', 'job_finished'];

export const dependenciesMigration: Migration = {
  name: '0002-dependencies-workflows-pace',
  up: `
-- Which jobs must complete before which. A parent may have many children, a child many parents.
create table jobs.job_dependency (
  organization_id uuid not null,
  child_id uuid not null,
  parent_id uuid not null,
  primary key (organization_id, child_id, parent_id)
);
create index job_dependency_by_parent on jobs.job_dependency (organization_id, parent_id, child_id);

-- Status and counts are those of its jobs, brought up to date by every transaction that moves one of them.
create table jobs.workflow (
  organization_id uuid not null,
  id uuid not null,
  name text not null,
  description text,
  metadata jsonb,
  status text not null check (status in ('pending', 'running', 'completed', 'failed', 'cancelled')),
  queue_names text[] not null,
  total_jobs smallint not null,
  completed_jobs smallint not null default 0,
  failed_jobs smallint not null default 0,
  created_at timestamptz not null,
  started_at timestamptz,
  completed_at timestamptz,
  primary key (organization_id, id)
);
-- Ids are UUIDv7, so id order is the order of creation.
create index workflow_by_status on jobs.workflow (organization_id, status, id);
create index workflow_retention on jobs.workflow (organization_id, completed_at) where completed_at is not null;

create table jobs.workflow_job (
  organization_id uuid not null,
  workflow_id uuid not null,
  position smallint not null,
  key text not null,
  job_id uuid not null,
  -- The job completed, and was deleted with its queue since.
  is_completed boolean not null default false,
  primary key (organization_id, workflow_id, position)
);

-- 'all': every dependency must complete; 'any': the first one that does is enough. Null: there is none.
alter table jobs.job add column workflow_id uuid,
  add column dependency_mode text check (dependency_mode in ('all', 'any'));
${STATE_TABLES.map((table) => `alter table jobs.${table} add column workflow_id uuid;`).join('\n')}

-- 'all': how many dependencies have yet to complete; 'any': how many may still do so. Null: it waits for no job.
alter table jobs.job_deferred add column waiting_on smallint check (waiting_on > 0);
insert into jobs.job_dependency (organization_id, child_id, parent_id)
  select organization_id, id, waits_for from jobs.job_deferred where waits_for is not null;
update jobs.job_deferred set waiting_on = 1 where waits_for is not null;
update jobs.job j set dependency_mode = 'all' from jobs.job_deferred d
  where d.waiting_on is not null and j.organization_id = d.organization_id and j.id = d.id;
drop view jobs.job_state;
alter table jobs.job_deferred drop constraint job_deferred_check;
drop index jobs.job_deferred_waiting, jobs.job_deferred_due;
alter table jobs.job_deferred drop column waits_for,
  add constraint job_deferred_reason check (due_at is not null or waiting_on is not null);
create index job_deferred_due on jobs.job_deferred (due_at) where waiting_on is null;

create view jobs.job_state with (security_invoker = true) as
  select organization_id, id, queue_name, 'pending'::text as status, priority, retry_count, rev, scheduled_at,
    started_at, null::timestamptz as completed_at, last_worker_id as worker_id, null::uuid as lease_id,
    null::timestamptz as lease_expires_at, null::json as result, last_error, true as dependencies_met, updated_at
  from jobs.job_ready
  union all
  select organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at,
    started_at, null, last_worker_id, null, null, null, last_error, waiting_on is null, updated_at
  from jobs.job_deferred
  union all
  select organization_id, id, queue_name, 'processing', priority, retry_count, rev, scheduled_at,
    started_at, null, worker_id, lease_id, lease_expires_at, null, last_error, true, updated_at
  from jobs.job_running
  union all
  select organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at,
    started_at, completed_at, worker_id, null, null, result, last_error, true, updated_at
  from jobs.job_finished;
grant select on jobs.job_state to spooled_jobs, spooled_jobs_maintenance;

-- How long jobs waited until they were claimed, of the jobs claimed here.
alter table jobs.counter_delta add column claimed integer not null default 0, add column waiting_ms bigint not null default 0;
alter table jobs.queue_activity add column claimed bigint not null default 0, add column waiting_ms bigint not null default 0;

-- What was claimed from a queue with a rate limit in the last second, in fiftieths: \`claimed[n % 51 + 1]\` is that of the
-- fiftieth number n since 1970, \`fiftieth\` the last one that was written. A row per limited queue.
create table jobs.queue_pace (
  organization_id uuid not null,
  queue_name text not null,
  fiftieth bigint not null default 0,
  claimed integer[] not null default array_fill(0, array[51]),
  primary key (organization_id, queue_name)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
insert into jobs.queue_pace (organization_id, queue_name)
  select organization_id, queue_name from jobs.queue where rate_limit is not null;

-- Queues that active schedules feed, as the scheduler told: they exist without jobs.
create table jobs.scheduled_queue (
  organization_id uuid not null,
  queue_name text not null,
  primary key (organization_id, queue_name)
);

-- Jobs inserted on a day (UTC), without those that are still in counter_delta.
create table jobs.daily_count (
  organization_id uuid not null,
  day date not null,
  created bigint not null,
  primary key (organization_id, day)
) with (fillfactor = 50);
insert into jobs.daily_count (organization_id, day, created)
  select organization_id, (bucket at time zone 'utc')::date, sum(created) from jobs.queue_activity group by 1, 2;

-- Few jobs end otherwise than completed, and they are looked for among all that did.
create index job_finished_lost on jobs.job_finished (organization_id, status, id) where status <> 'completed';

-- Dead letters are listed newest first, of all queues or of one.
drop index jobs.job_finished_deadletter;
create index job_finished_deadletter on jobs.job_finished (organization_id, completed_at, id) where status = 'deadletter';
create index job_finished_deadletter_by_queue on jobs.job_finished (organization_id, queue_name, completed_at, id)
  where status = 'deadletter';
${policies}
`,
};
