import { sql, type Database } from '@spooled/postgres';

/** `rare`: of so few jobs that all of them can be read. `none`: no tag is asked for. */
export type TagKind = 'none' | 'rare' | 'common';

/** Jobs that may have a tag which is called rare. */
const MAX_RARE = 1000;

const isRare = sql(
  'jobs.is-tag-rare',
  `
  select count(*) <= ${MAX_RARE} as is_rare
  from (select from jobs.job_tag where organization_id = $1 and tag = $2 limit ${MAX_RARE + 1}) t`,
);

/** That a state `s` is of a job with the tag $4. */
export const TAGGED = `exists (
        select from jobs.job_tag t where t.organization_id = s.organization_id and t.tag = $4 and t.id = s.id)`;

/** Which way a list by this tag is read best. */
export async function tagKind(
  database: Database,
  organizationId: string,
  tag: string | null,
): Promise<TagKind> {
  if (tag === null) return 'none';
  const [row] = await database.query<{ is_rare: boolean }>([organizationId], isRare, [
    organizationId,
    tag,
  ]);
  return row?.is_rare === true ? 'rare' : 'common';
}
