import type { Migration } from '@spooled/postgres';

/** One truth of what is deleted: every statement asks `deleted_at`, clients see the tier. */
export const auth0002: Migration = {
  name: '0002-deleted-tier',
  up: `
alter table auth.organization add constraint organization_deleted
  check ((plan_tier = 'deleted') = (deleted_at is not null));
`,
};
