import type { Migration } from '@spooled/postgres';

/** Codes that were sent to addresses. */
export const auth0004: Migration = {
  name: '0004-email-codes',
  up: `
-- One code for an address, the newest. Neither can be read from here: both are hashes under the pepper of the keys.
-- An address belongs to no organization before it has shown its code, so there is no tenant to hold the rows to.
create table auth.email_code (
  address_hash bytea primary key check (octet_length(address_hash) = 32),
  code_hash bytea not null check (octet_length(code_hash) = 32),
  tries smallint not null default 0 check (tries between 0 and 5),
  expires_at timestamptz not null
);
create index email_code_by_end on auth.email_code (expires_at);
grant select, insert, update, delete on auth.email_code to spooled_auth;
grant select, update, delete on auth.email_code to spooled_auth_maintenance;
`,
};
