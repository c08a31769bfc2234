import type { Migration } from '@spooled/postgres';

export const jobTraceparentsMigration: Migration = {
  name: '0009-job-traceparents',
  up: `
-- The W3C trace context in which a job was put in. Null for most, which takes no room in a row.
alter table jobs.job add column traceparent text;
`,
};
