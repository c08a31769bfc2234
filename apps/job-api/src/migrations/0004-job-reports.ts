import type { Migration } from '@spooled/postgres';

export const jobReportsMigration: Migration = {
  name: '0004-job-reports',
  up: `
-- How many lines the log of a job has, so that each call learns the number of its first line without counting.
create table jobs.job_log_count (
  organization_id uuid not null,
  id uuid not null,
  lines integer not null,
  primary key (organization_id, id)
) with (fillfactor = 50);
insert into jobs.job_log_count (organization_id, id, lines)
  select organization_id, id, count(*) from jobs.job_log group by organization_id, id;

alter table jobs.job_log_count enable row level security;
alter table jobs.job_log_count force row level security;
create policy tenant on jobs.job_log_count to spooled_jobs
  using ((organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[])) is true);
create policy maintenance on jobs.job_log_count to spooled_jobs_maintenance using (true);
grant select, insert, update, delete on jobs.job_log_count to spooled_jobs, spooled_jobs_maintenance;
`,
};
