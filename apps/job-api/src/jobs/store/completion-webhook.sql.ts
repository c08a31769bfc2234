import { sql } from '@spooled/postgres';

/** Remembers organizations $1 once, with where their event logs stand before this transaction tells anything. */
export const noteOrganizations = sql(
  'jobs.note-completion-webhooks',
  `
  insert into jobs.completion_webhook_organization (organization_id, newest_seq)
  select o.organization_id, coalesce(p.last_seq, 0)
  from unnest($1::uuid[]) as o(organization_id) left join events.position p using (organization_id)
  order by organization_id
  on conflict (organization_id) do nothing`,
);

/** A page of these organizations, after $1. */
export const organizations = sql(
  'jobs.completion-webhook-organizations',
  `
  select organization_id, newest_seq from jobs.completion_webhook_organization
  where organization_id > coalesce($1::uuid, '00000000-0000-0000-0000-000000000000')
  order by organization_id limit $2`,
);

export const ofJobs = sql(
  'jobs.completion-webhooks',
  `
  select id, completion_webhook as url, completion_webhook_secret as secret from jobs.job
  where organization_id = $1 and id = any ($2::uuid[]) and completion_webhook is not null`,
);
