import { sql } from '@spooled/postgres';

/** Jobs that may have what is called rare. */
const MAX_RARE = 1000;

const isRare = (name: string, from: string) =>
  sql(
    `jobs.is-${name}-rare`,
    `
  select count(*) <= ${MAX_RARE} as is_rare
  from (select from ${from} limit ${MAX_RARE + 1}) t`,
  );

export const rarity = {
  tag: isRare('tag', 'jobs.job_tag where organization_id = $1 and tag = $2'),
  type: isRare('type', 'jobs.job where organization_id = $1 and job_type = $2'),
};
