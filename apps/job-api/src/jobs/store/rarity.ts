import type { Database } from '@spooled/postgres';
import { rarity } from './rarity.sql.js';

/** `rare`: of so few jobs that all of them can be read. `none`: it is not asked for. */
export type Rarity = 'none' | 'rare' | 'common';

/** Which way a list by this tag, or this type of job, is read best. */
export async function rarityOf(
  database: Database,
  organizationId: string,
  mark: keyof typeof rarity,
  value: string | null,
): Promise<Rarity> {
  if (value === null) return 'none';
  const [row] = await database.query<{ is_rare: boolean }>([organizationId], rarity[mark], [
    organizationId,
    value,
  ]);
  return row?.is_rare === true ? 'rare' : 'common';
}
