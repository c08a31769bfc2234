import type { Migration } from '@spooled/postgres';

/** Workers and who owns which worker id. Needs the event log's roles. */
export const workers0001: Migration = {
  name: '0001-workers',
  up: `
do $$ begin
  create role spooled_workers nologin;
exception when duplicate_object or unique_violation then null;
end $$;
do $$ begin
  create role spooled_workers_maintenance nologin;
exception when duplicate_object or unique_violation then null;
end $$;
-- An owner that is no superuser may only take on roles it is a member of.
do $$ begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    grant spooled_workers, spooled_workers_maintenance to current_user;
  end if;
end $$;
grant spooled_event_writer to spooled_workers;
grant spooled_events to spooled_workers_maintenance;

create schema workers;
grant usage on schema workers to spooled_workers, spooled_workers_maintenance;

create table workers.worker (
  organization_id uuid not null,
  id text not null check (char_length(id) between 1 and 255),
  queue_name text not null check (char_length(queue_name) between 1 and 100),
  hostname text not null check (char_length(hostname) between 1 and 255),
  worker_type text check (char_length(worker_type) <= 50),
  version text check (char_length(version) <= 50),
  max_concurrency integer not null check (max_concurrency between 1 and 100),
  current_jobs integer not null default 0 check (current_jobs between 0 and 1000),
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  status text not null default 'healthy'
    check (status in ('healthy', 'degraded', 'draining', 'offline')),
  -- Why it is registered no more; null while it is. 'stale': it fell silent, and may come back by reporting.
  ended text check (ended in ('requested', 'stale')),
  -- Its jobs are still to be given back, for this cause, since then. Kept until the owner of the jobs said done.
  release_cause text check (release_cause in ('requested', 'stale')),
  release_since timestamptz,
  last_heartbeat timestamptz not null default now(),
  registered_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  check (ended is null or status = 'offline'),
  check ((release_cause is null) = (release_since is null)),
  check (release_cause is null or ended is not null)
)
-- A heartbeat changes no indexed column, so with room on its page the row is replaced in place (HOT).
-- That is why last_heartbeat has no index: the live workers are few enough to be looked at.
with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

create index worker_live on workers.worker (organization_id, queue_name) where ended is null;
create index worker_release on workers.worker (release_since) where release_cause is not null;

-- Worker ids are unique over all organizations, because clients choose them and a job's lease names only the worker.
-- A unique index on workers.worker (id) would say so too, but then the table could not be distributed by tenant. So
-- this narrow table alone knows it: a unique constraint holds for rows that row-level security hides, so an insert
-- that finds a stranger's row does nothing and shows nothing of whose it is.
create table workers.worker_owner (
  worker_id text primary key,
  organization_id uuid not null
);
create index worker_owner_by_organization on workers.worker_owner (organization_id);

grant select, insert, update on workers.worker to spooled_workers;
-- Nothing updates an owner; the privilege is what locking a row takes.
grant select, insert, update on workers.worker_owner to spooled_workers;
grant select, update, delete on workers.worker to spooled_workers_maintenance;
grant select, update, delete on workers.worker_owner to spooled_workers_maintenance;

alter table workers.worker enable row level security, force row level security;
alter table workers.worker_owner enable row level security, force row level security;

-- The inner select makes the setting an init plan, read once a statement and not once a row.
create policy tenant on workers.worker to spooled_workers
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]))
  with check (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy tenant on workers.worker_owner to spooled_workers
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]))
  with check (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy maintenance on workers.worker to spooled_workers_maintenance using (true);
create policy maintenance on workers.worker_owner to spooled_workers_maintenance using (true);
`,
};
