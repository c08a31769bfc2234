import { sql, type Database } from '@spooled/postgres';

/** `rare`: of so few jobs that all of them can be read. `none`: it is not asked for. */
export type Rarity = 'none' | 'rare' | 'common';

/** Jobs that may have what is called rare. */
const MAX_RARE = 1000;

const isRare = (name: string, from: string) =>
  sql(
    `jobs.is-${name}-rare`,
    `
  select count(*) <= ${MAX_RARE} as is_rare
  from (select from ${from} limit ${MAX_RARE + 1}) t`,
  );

const statements = {
  tag: isRare('tag', 'jobs.job_tag where organization_id = $1 and tag = $2'),
  type: isRare('type', 'jobs.job where organization_id = $1 and job_type = $2'),
};

/** Which way a list by this tag, or this type of job, is read best. */
export async function rarityOf(
  database: Database,
  organizationId: string,
  mark: keyof typeof statements,
  value: string | null,
): Promise<Rarity> {
  if (value === null) return 'none';
  const [row] = await database.query<{ is_rare: boolean }>([organizationId], statements[mark], [
    organizationId,
    value,
  ]);
  return row?.is_rare === true ? 'rare' : 'common';
}
