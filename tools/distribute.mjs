// `npm run distribute [-- --print]`: places the tables of a migrated database on the nodes of a Citus cluster, by organization.
// DATABASE_URL is the coordinator's, as its superuser. See docs/scaling.md for what that is good for today.
import process from 'node:process';

import { distributeTables } from '@spooled/postgres';
import { distribution } from '../apps/standalone/dist/distribution.js';

const isPrinted = process.argv.includes('--print');
const url = process.env.DATABASE_URL;
try {
  if (url === undefined) throw new Error('DATABASE_URL is missing.');
  const statements = await distributeTables(url, distribution, { isPrinted });
  for (const statement of statements) console.log(`${statement};`);
  if (!isPrinted) console.log(`-- ${statements.length} statements were run.`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
