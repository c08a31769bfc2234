import type { Migration } from '@spooled/postgres';

export const historyAndTypesMigration: Migration = {
  name: '0008-history-and-types',
  up: `
-- How a job left a state that its own row tells of no more, because it became pending again: a row per try that was not
-- the last. A job that runs through at once has none (docs/adr/0027). \`rev\` is that of the transition it left by.
create table jobs.job_attempt (
  organization_id uuid not null,
  id uuid not null,
  rev integer not null,
  outcome text not null check (outcome in ('retry_scheduled', 'released', 'deadlettered', 'cancelled')),
  attempt smallint not null,
  worker_id text,
  started_at timestamptz,
  ended_at timestamptz not null,
  error text,
  -- Until when it backed off; of an ended job, when it was retried.
  next_at timestamptz,
  primary key (organization_id, id, rev)
);
create index job_attempt_retention on jobs.job_attempt (organization_id, ended_at);

alter table jobs.job_attempt enable row level security, force row level security;
create policy tenant on jobs.job_attempt to spooled_jobs
  using ((organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[])) is true);
create policy maintenance on jobs.job_attempt to spooled_jobs_maintenance using (true);
grant select, insert, update, delete on jobs.job_attempt to spooled_jobs, spooled_jobs_maintenance;

-- What the payload calls itself, which clients look for. Of jobs that were there before it is not known.
alter table jobs.job add column job_type text;
create index job_by_type on jobs.job (organization_id, job_type, id) where job_type is not null;
`,
};
