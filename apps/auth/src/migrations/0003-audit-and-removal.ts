import type { Migration } from '@spooled/postgres';

/** Actions are written down, and organizations can be deleted. Needs the audit trail's roles. */
export const auth0003: Migration = {
  name: '0003-audit-and-removal',
  up: `
grant spooled_audit_writer, spooled_audit_reader to spooled_auth;
grant delete on auth.organization to spooled_auth;

-- Organizations that are gone here while other services may still keep something of them. Written in the transaction
-- that deletes the organization, so that no crash can leave data which nobody will ask to delete.
create table auth.removal (
  organization_id uuid primary key,
  requested_at timestamptz not null default now(),
  -- When to ask the services (again).
  next_at timestamptz not null default now()
);
create index removal_due on auth.removal (next_at);

grant insert on auth.removal to spooled_auth;
grant select, update, delete on auth.removal to spooled_auth_maintenance;
alter table auth.removal enable row level security, force row level security;
create policy tenant on auth.removal to spooled_auth
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]))
  with check (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy maintenance on auth.removal to spooled_auth_maintenance using (true);
`,
};
