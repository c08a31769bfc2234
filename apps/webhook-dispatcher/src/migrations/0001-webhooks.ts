import type { Migration } from '@spooled/postgres';

const TABLES = ['endpoint', 'follower', 'delivery'];

const policies = TABLES.map(
  (table) => `
alter table webhooks.${table} enable row level security, force row level security;
-- The inner select makes the setting an init plan, read once a statement and not once a row.
create policy tenant on webhooks.${table} to spooled_webhooks
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]))
  with check (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy maintenance on webhooks.${table} to spooled_webhooks_maintenance using (true);`,
).join('\n');

/** Endpoints, how far the event log was read for them, and deliveries. Needs the event log's roles. */
export const webhooks0001: Migration = {
  name: '0001-webhooks',
  up: `
do $$ begin
  create role spooled_webhooks nologin;
exception when duplicate_object or unique_violation then null;
end $$;
do $$ begin
  create role spooled_webhooks_maintenance nologin;
exception when duplicate_object or unique_violation then null;
end $$;
-- An owner that is no superuser may only take on roles it is a member of.
do $$ begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    grant spooled_webhooks, spooled_webhooks_maintenance to current_user;
  end if;
end $$;
grant spooled_event_reader to spooled_webhooks;
grant spooled_events to spooled_webhooks_maintenance;

create schema webhooks;
grant usage on schema webhooks to spooled_webhooks, spooled_webhooks_maintenance;

create table webhooks.endpoint (
  organization_id uuid not null,
  -- UUIDv7, so id order is the order of creation.
  id uuid not null,
  name text not null check (char_length(name) between 1 and 255),
  url text not null check (char_length(url) between 1 and 2048),
  events text[] not null check (cardinality(events) > 0),
  enabled boolean not null default true,
  -- Encrypted. The one before signs too, for receivers that do not know the new one yet.
  secret bytea,
  previous_secret bytea,
  previous_secret_until timestamptz,
  -- Where the log stood when it was enabled: it is told of later events only.
  since_seq bigint not null check (since_seq >= 0),
  failure_count integer not null default 0 check (failure_count >= 0),
  last_triggered_at timestamptz,
  last_status text check (last_status in ('success', 'failed', 'auto_disabled')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  check ((previous_secret is null) = (previous_secret_until is null))
)
-- What a delivery changes is in no index, so with room on its page the row is replaced in place (HOT).
with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

-- How far an organization's event log was made into deliveries to its endpoints, and to the completion webhooks of its
-- jobs. There is a row while an endpoint is enabled, and once a job had a completion webhook, so who has neither costs
-- nothing.
create table webhooks.follower (
  organization_id uuid not null,
  purpose text not null check (purpose in ('endpoints', 'completions')),
  position bigint not null check (position >= 0),
  primary key (organization_id, purpose)
)
with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create table webhooks.delivery (
  organization_id uuid not null,
  -- UUIDv7 made of the receiver, the event's place in the log and its time, so that no event can have two.
  id uuid not null,
  -- Null: to the completion webhook of a job, whose URL and (encrypted) secret are kept here.
  endpoint_id uuid,
  url text,
  secret bytea,
  -- What shares the places for requests: an endpoint, or a host that an organization's completion webhooks name.
  lane uuid not null,
  event text not null,
  -- What is sent, byte by byte.
  body json not null,
  status text not null default 'pending' check (status in ('pending', 'success', 'failed')),
  -- Those that have an outcome.
  attempts integer not null default 0 check (attempts >= 0),
  status_code integer,
  response_body text,
  error text,
  -- When it is attempted (again); while an attempt is under way, when that counts as lost with its process.
  due_at timestamptz default now(),
  -- The attempt under way: only it may say what came of it.
  lease_id uuid,
  created_at timestamptz not null default now(),
  delivered_at timestamptz,
  primary key (organization_id, id),
  check ((endpoint_id is null) = (url is not null)),
  check (endpoint_id is null or secret is null),
  check ((due_at is not null) = (status = 'pending')),
  check (lease_id is null or status = 'pending'),
  check ((delivered_at is not null) = (status = 'success'))
)
with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- By lane first: one whose receiver hangs piles up deliveries, and nobody looks through them to find the others'.
create index delivery_due on webhooks.delivery (organization_id, lane, due_at) where status = 'pending';
create index delivery_history on webhooks.delivery (organization_id, endpoint_id, id) where endpoint_id is not null;

grant select, insert, update, delete on webhooks.endpoint to spooled_webhooks;
grant select, insert, update, delete on webhooks.follower to spooled_webhooks;
grant select, insert, update on webhooks.delivery to spooled_webhooks;
grant select, update on webhooks.endpoint to spooled_webhooks_maintenance;
grant select on webhooks.follower to spooled_webhooks_maintenance;
grant select, update, delete on webhooks.delivery to spooled_webhooks_maintenance;
${policies}
`,
};
