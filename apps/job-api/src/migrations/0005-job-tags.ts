import type { Migration } from '@spooled/postgres';

export const jobTagsMigration: Migration = {
  name: '0005-job-tags',
  up: `
-- The tags that lists can filter by: keys of a tags object, texts in a tags array.
create function jobs.tags_in(tags jsonb) returns setof text language sql immutable as $$
  select tag from jsonb_object_keys(case when jsonb_typeof(tags) = 'object' then tags end) tag
  where tag ~ '^[A-Za-z0-9._-]{1,64}$'
  union
  select e #>> '{}' from jsonb_array_elements(case when jsonb_typeof(tags) = 'array' then tags end) e
  where jsonb_typeof(e) = 'string' and e #>> '{}' ~ '^[A-Za-z0-9._-]{1,64}$'
$$;

-- Which jobs have a tag, in order of creation. An index over the bodies could not be used: row-level security lets only
-- conditions pass that cannot tell of other tenants' rows, and jsonb's are not among them.
create table jobs.job_tag (
  organization_id uuid not null,
  tag text not null,
  id uuid not null,
  primary key (organization_id, tag, id)
);
insert into jobs.job_tag (organization_id, tag, id)
  select j.organization_id, t.tag, j.id from jobs.job j cross join lateral jobs.tags_in(j.tags) t(tag);

alter table jobs.job_tag enable row level security;
alter table jobs.job_tag force row level security;
create policy tenant on jobs.job_tag to spooled_jobs
  using ((organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[])) is true);
create policy maintenance on jobs.job_tag to spooled_jobs_maintenance using (true);
grant select, insert, update, delete on jobs.job_tag to spooled_jobs, spooled_jobs_maintenance;
`,
};
