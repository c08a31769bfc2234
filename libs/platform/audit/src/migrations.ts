import type { Migration } from '@spooled/postgres';

const tables = `
-- spooled_audit_writer: what a room's role needs to write down what is done to the organizations of its transaction.
-- spooled_audit_reader: shows an organization its trail. Nobody may change or delete an entry (docs/adr/0018).
do $$ begin
  create role spooled_audit_writer nologin;
exception when duplicate_object or unique_violation then null;
end $$;
do $$ begin
  create role spooled_audit_reader nologin;
exception when duplicate_object or unique_violation then null;
end $$;
-- An owner that is no superuser may only take on roles it is a member of.
do $$ begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    grant spooled_audit_writer, spooled_audit_reader to current_user;
  end if;
end $$;

create schema audit;
grant usage on schema audit to spooled_audit_writer, spooled_audit_reader;

-- No reference to anything: the trail outlives what it tells of.
create table audit.entry (
  organization_id uuid not null,
  -- UUIDv7, made by the writer.
  id uuid not null,
  occurred_at timestamptz not null default now(),
  actor_type text not null check (actor_type in ('api_key', 'admin', 'system')),
  actor_id uuid,
  action text not null check (char_length(action) between 1 and 100),
  target text check (char_length(target) <= 255),
  details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
  primary key (organization_id, id),
  check ((actor_type = 'api_key') = (actor_id is not null))
);
create index entry_newest on audit.entry (organization_id, occurred_at desc, id desc);

grant insert on audit.entry to spooled_audit_writer;
grant select on audit.entry to spooled_audit_reader;

alter table audit.entry enable row level security, force row level security;
create policy tenant_writes on audit.entry for insert to spooled_audit_writer
  with check (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy tenant_reads on audit.entry for select to spooled_audit_reader
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
`;

export const auditMigrations: readonly Migration[] = [{ name: '0000-audit', up: tables }];
