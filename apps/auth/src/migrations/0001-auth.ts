import type { Migration } from '@spooled/postgres';

/** Organizations, API keys, sessions and tickets. */
export const auth0001: Migration = {
  name: '0001-auth',
  up: `
do $$ begin
  create role spooled_auth nologin;
exception when duplicate_object or unique_violation then null;
end $$;
do $$ begin
  create role spooled_auth_maintenance nologin;
exception when duplicate_object or unique_violation then null;
end $$;
-- An owner that is no superuser may only take on roles it is a member of.
do $$ begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    grant spooled_auth, spooled_auth_maintenance to current_user;
  end if;
end $$;

create schema auth;
grant usage on schema auth to spooled_auth, spooled_auth_maintenance;

create table auth.organization (
  id uuid primary key,
  name text not null check (char_length(name) between 3 and 100),
  slug text not null check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' and char_length(slug) <= 100),
  plan_tier text not null default 'free'
    check (plan_tier in ('free', 'starter', 'pro', 'enterprise', 'deleted')),
  billing_email text check (char_length(billing_email) <= 254),
  settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
  custom_limits jsonb check (jsonb_typeof(custom_limits) = 'object'),
  stripe_customer_id text,
  stripe_subscription_id text,
  stripe_subscription_status text,
  stripe_current_period_end timestamptz,
  stripe_cancel_at_period_end boolean,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
-- Only live organizations hold their slug and address: a deleted one gives them back.
create unique index organization_live_slug on auth.organization (slug) where deleted_at is null;
create unique index organization_live_billing_email
  on auth.organization (lower(billing_email)) where deleted_at is null;

create table auth.api_key (
  organization_id uuid not null references auth.organization (id) on delete cascade,
  id uuid not null,
  name text not null check (char_length(name) between 1 and 100),
  key_hash bytea not null unique check (octet_length(key_hash) = 32),
  queues text[] not null default '{}' check (cardinality(queues) <= 50),
  rate_limit integer check (rate_limit between 1 and 10000),
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  last_used timestamptz,
  expires_at timestamptz,
  primary key (organization_id, id)
);
create index api_key_newest on auth.api_key (organization_id, created_at desc, id desc);

-- One login. Its tokens carry the sid; a token whose session is revoked or gone is refused.
create table auth.session (
  organization_id uuid not null,
  sid uuid not null,
  api_key_id uuid not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  -- No token of the session outlives this.
  expires_at timestamptz not null,
  primary key (organization_id, sid),
  foreign key (organization_id, api_key_id)
    references auth.api_key (organization_id, id) on delete cascade
);
create index session_by_key on auth.session (organization_id, api_key_id);
create index session_by_end on auth.session (expires_at);

-- A right to open one stream. Deleted when it is used.
create table auth.ticket (
  organization_id uuid not null,
  ticket_hash bytea not null check (octet_length(ticket_hash) = 32),
  api_key_id uuid not null,
  -- The access token the ticket was made with: {issuedAt, expiresAt, jti, sid}; null when made with a key.
  token jsonb,
  queue text,
  job_id text,
  expires_at timestamptz not null,
  primary key (organization_id, ticket_hash),
  foreign key (organization_id, api_key_id)
    references auth.api_key (organization_id, id) on delete cascade
);
create index ticket_by_key on auth.ticket (organization_id, api_key_id);
create index ticket_by_end on auth.ticket (expires_at);

-- What the key hashes were made with, as a fingerprint: a changed pepper is noticed before keys fail one by one.
create table auth.key_pepper (
  is_only_row boolean primary key default true check (is_only_row),
  fingerprint bytea not null
);

grant select, insert, update on auth.organization, auth.api_key to spooled_auth;
grant select, insert, update, delete on auth.session, auth.ticket to spooled_auth;
grant select, insert on auth.key_pepper to spooled_auth;
grant select on auth.organization to spooled_auth_maintenance;
grant select, update on auth.api_key to spooled_auth_maintenance;
grant select, update, delete on auth.session, auth.ticket to spooled_auth_maintenance;

alter table auth.organization enable row level security, force row level security;
alter table auth.api_key enable row level security, force row level security;
alter table auth.session enable row level security, force row level security;
alter table auth.ticket enable row level security, force row level security;

-- The inner select makes the setting an init plan, read once a statement and not once a row. Without the setting the
-- statement fails, with an empty one it sees nothing.
create policy tenant on auth.organization to spooled_auth
  using (id = any ((select current_setting('app.orgs')::uuid[])::uuid[]))
  with check (id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy tenant on auth.api_key to spooled_auth
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]))
  with check (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy tenant on auth.session to spooled_auth
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]))
  with check (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy tenant on auth.ticket to spooled_auth
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]))
  with check (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy maintenance on auth.organization to spooled_auth_maintenance using (true);
create policy maintenance on auth.api_key to spooled_auth_maintenance using (true);
create policy maintenance on auth.session to spooled_auth_maintenance using (true);
create policy maintenance on auth.ticket to spooled_auth_maintenance using (true);

-- A key arrives before its organization is known, so row-level security cannot let the caller read it. This function
-- is the one way around: it runs as the maintenance role and tells whose key has exactly this hash, nothing else. It
-- cannot list, and who lacks the key and the pepper cannot make a hash to ask with. (A copy of the hashes in a table
-- without row-level security would be readable in full, and a second truth.)
create function auth.find_key(hash bytea)
  returns table (organization_id uuid, id uuid)
  language sql stable rows 1 security definer set search_path = pg_catalog, pg_temp
  as 'select k.organization_id, k.id from auth.api_key k where k.key_hash = hash';
revoke all on function auth.find_key(bytea) from public;
grant execute on function auth.find_key(bytea) to spooled_auth;
grant create on schema auth to spooled_auth_maintenance;
alter function auth.find_key(bytea) owner to spooled_auth_maintenance;
revoke create on schema auth from spooled_auth_maintenance;
`,
};
