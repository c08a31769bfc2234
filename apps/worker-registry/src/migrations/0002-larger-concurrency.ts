import type { Migration } from '@spooled/postgres';

/** Over gRPC a worker may take up to 1000 jobs at once. */
export const workers0002: Migration = {
  name: '0002-larger-concurrency',
  up: `
alter table workers.worker
  drop constraint worker_max_concurrency_check,
  add constraint worker_max_concurrency_check check (max_concurrency between 1 and 1000);
`,
};
