/**
 * Brings up to date what the image holds the migrations of: a service's own schema, or with standalone all of them, and
 * the event log and audit trail that they write to. Several may run at once: they wait for each other (docs/adr/0028).
 * DATABASE_URL must belong to the owner of the schemas. Run from the directory that holds apps/.
 */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

import { auditMigrations } from '@spooled/audit';
import { eventLogMigrations } from '@spooled/event-log';
import { runMigrations } from '@spooled/postgres';

const { DATABASE_URL } = process.env;
if (!DATABASE_URL) {
  console.error('DATABASE_URL must say where PostgreSQL is, as the owner of the schemas.');
  process.exit(1);
}
const files = readdirSync('apps')
  .map((app) => path.resolve('apps', app, 'dist/migrations/index.js'))
  .filter((file) => existsSync(file));
const own = await Promise.all(files.map((file) => import(pathToFileURL(file).href)));
try {
  await runMigrations(DATABASE_URL, [
    ...eventLogMigrations,
    ...auditMigrations,
    ...own.flatMap(({ migrations }) => migrations),
  ]);
} catch (error) {
  console.error(`The migration failed and is to be run again: ${error.message}`);
  process.exit(1);
}
