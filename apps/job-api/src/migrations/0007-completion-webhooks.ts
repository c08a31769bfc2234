import type { Migration } from '@spooled/postgres';

export const completionWebhooksMigration: Migration = {
  name: '0007-completion-webhooks',
  up: `
-- Organizations that have had jobs with a completion webhook, and where their event log stood before the first of these:
-- from there on somebody must look for their ends. All others need not be looked at.
create table jobs.completion_webhook_organization (
  organization_id uuid primary key,
  newest_seq bigint not null
);
insert into jobs.completion_webhook_organization (organization_id, newest_seq)
  select organization_id, coalesce(max(p.last_seq), 0)
  from jobs.job j left join events.position p using (organization_id)
  where j.completion_webhook is not null group by organization_id;

alter table jobs.completion_webhook_organization enable row level security, force row level security;
create policy tenant on jobs.completion_webhook_organization to spooled_jobs
  using ((organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[])) is true);
create policy maintenance on jobs.completion_webhook_organization to spooled_jobs_maintenance using (true);
grant select, insert, update, delete on jobs.completion_webhook_organization to spooled_jobs;
grant select on jobs.completion_webhook_organization to spooled_jobs_maintenance;
`,
};
