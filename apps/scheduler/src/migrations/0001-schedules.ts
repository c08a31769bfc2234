import type { Migration } from '@spooled/postgres';

const TABLES = ['schedule', 'run', 'feeder'];

const policies = TABLES.map(
  (table) => `
alter table schedules.${table} enable row level security, force row level security;
-- The inner select makes the setting an init plan, read once a statement and not once a row.
create policy tenant on schedules.${table} to spooled_schedules
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]))
  with check (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy maintenance on schedules.${table} to spooled_schedules_maintenance using (true);`,
).join('\n');

/** Schedules and their runs. */
export const schedules0001: Migration = {
  name: '0001-schedules',
  up: `
do $$ begin
  create role spooled_schedules nologin;
exception when duplicate_object or unique_violation then null;
end $$;
do $$ begin
  create role spooled_schedules_maintenance nologin;
exception when duplicate_object or unique_violation then null;
end $$;
-- An owner that is no superuser may only take on roles it is a member of.
do $$ begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    grant spooled_schedules, spooled_schedules_maintenance to current_user;
  end if;
end $$;

create schema schedules;
grant usage on schema schedules to spooled_schedules, spooled_schedules_maintenance;

create table schedules.schedule (
  organization_id uuid not null,
  -- UUIDv7, so id order is the order of creation.
  id uuid not null,
  name text not null check (char_length(name) between 1 and 255),
  description text check (char_length(description) <= 1000),
  cron_expression text not null check (char_length(cron_expression) between 9 and 100),
  timezone text not null check (char_length(timezone) between 1 and 100),
  queue_name text not null check (char_length(queue_name) between 1 and 100),
  payload_template json not null,
  priority smallint not null check (priority between -100 and 100),
  -- Null: as the queue says when the job is enqueued.
  max_retries smallint check (max_retries between 0 and 100),
  timeout_seconds integer check (timeout_seconds between 1 and 86400),
  tags jsonb,
  metadata jsonb check (jsonb_typeof(metadata) = 'object'),
  -- Size of payload and tags, known without reading them: what is sent together must fit in a message.
  body_bytes integer not null check (body_bytes >= 0),
  is_active boolean not null default true,
  next_run_at timestamptz not null,
  last_run_at timestamptz,
  run_count bigint not null default 0 check (run_count >= 0),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id)
)
-- Every fire changes an indexed column, so every fire leaves a dead row behind.
with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

-- The organization is there for the order. A batch of few organizations is cheaper to enqueue than one of many: a third
-- less of PostgreSQL's time for 10,000 fires of 100 organizations.
create index schedule_due on schedules.schedule (next_run_at, organization_id) where is_active;

-- One fire: the intention to enqueue one job, and what came of it. Its schedule may be gone.
create table schedules.run (
  organization_id uuid not null,
  -- Of the run and of its job, so that asking twice for the job makes one job. A UUIDv7, so id order is the order of
  -- time; made of schedule and tick, so that no tick can have two.
  id uuid not null,
  schedule_id uuid not null,
  -- The instant it was due; null when somebody triggered it.
  tick timestamptz,
  status text not null check (status in ('pending', 'running', 'completed', 'failed')),
  error_message text,
  started_at timestamptz not null default now(),
  completed_at timestamptz,
  -- When to ask (again) for the job, unless an answer came before; null since one did.
  resend_at timestamptz,
  primary key (organization_id, id),
  check ((resend_at is not null) = (status in ('pending', 'running'))),
  check ((resend_at is null) = (completed_at is not null)),
  check (error_message is null or status = 'failed')
)
-- Ending a run writes every index a second time, so there are few: age and tick are read from the id.
with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

create index run_history on schedules.run (organization_id, schedule_id, id);
create index run_unsent on schedules.run (organization_id, schedule_id) where resend_at is not null;

-- Organizations of which job-api may hold queues that their schedules feed: from their first schedule until job-api was
-- told that there is none, so that a word that was lost can be said again, also after the last schedule is gone.
create table schedules.feeder (
  organization_id uuid primary key
);

grant select, insert, update, delete on schedules.schedule to spooled_schedules;
grant select, insert, update on schedules.run to spooled_schedules;
grant select, insert, delete on schedules.feeder to spooled_schedules;
grant select, update on schedules.schedule to spooled_schedules_maintenance;
grant select, insert, update, delete on schedules.run to spooled_schedules_maintenance;
grant select on schedules.feeder to spooled_schedules_maintenance;
${policies}
`,
};
