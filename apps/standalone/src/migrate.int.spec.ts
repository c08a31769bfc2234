import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { auditMigrations } from '@spooled/audit';
import { migrations as auth } from '@spooled/auth';
import { eventLogMigrations } from '@spooled/event-log';
import { migrations as jobs } from '@spooled/job-api';
import { runMigrations } from '@spooled/postgres';
import { migrations as schedules } from '@spooled/scheduler';
import { testDatabase } from '@spooled/testing';
import { migrations as webhooks } from '@spooled/webhook-dispatcher';
import { migrations as workers } from '@spooled/worker-registry';
import pg from 'pg';

import { migrateAll } from './migrate.js';

/** What a database is, in words that two of them can be compared by. */
const descriptions = [
  `select table_schema, table_name, column_name, data_type, column_default, is_nullable
   from information_schema.columns where table_schema not in ('pg_catalog', 'information_schema')
   order by 1, 2, 3`,
  `select schemaname, tablename, policyname, roles::text, cmd, qual, with_check from pg_policies order by 1, 2, 3`,
  `select n.nspname, relname, relacl::text, relrowsecurity, relforcerowsecurity
   from pg_class c join pg_namespace n on n.oid = relnamespace
   where nspname not in ('pg_catalog', 'information_schema', 'pg_toast') order by 1, 2`,
  `select proname, prosrc, proacl::text, prosecdef from pg_proc p join pg_namespace n on n.oid = pronamespace
   where nspname not in ('pg_catalog', 'information_schema') order by 1, 2`,
  `select indexdef from pg_indexes where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
  `select conname, pg_get_constraintdef(oid) as definition from pg_constraint order by 1, 2`,
  `select name from public.spooled_migrations order by 1`,
];

async function describeDatabase(url: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const answers = [];
    for (const each of descriptions) {
      const { rows } = await client.query<object>(each);
      // Partitions of the event log bear the hour in which they were made.
      answers.push(rows.filter((row) => !/\blog_\d{10}/.test(JSON.stringify(row))));
    }
    return answers;
  } finally {
    await client.end();
  }
}

describe('migrations', () => {
  it('of services that migrate alone, all at once, make what they make together', async () => {
    const [together, alone] = await Promise.all([
      testDatabase({ isEmpty: true }),
      testDatabase({ isEmpty: true }),
    ]);
    await migrateAll(together.url);
    await Promise.all(
      [webhooks, schedules, auth, jobs, workers].map((own) =>
        runMigrations(alone.url, [...eventLogMigrations, ...auditMigrations, ...own]),
      ),
    );
    expect(await describeDatabase(alone.url)).toEqual(await describeDatabase(together.url));
  });

  it('are run by what images run', async () => {
    const [expected, made] = await Promise.all([testDatabase(), testDatabase({ isEmpty: true })]);
    const migration = spawn(process.execPath, ['docker/migrate.mjs'], {
      cwd: fileURLToPath(new URL('../../../', import.meta.url)),
      env: { ...process.env, DATABASE_URL: made.url },
      stdio: 'inherit',
    });
    expect(await once(migration, 'exit')).toEqual([0, null]);
    expect(await describeDatabase(made.url)).toEqual(await describeDatabase(expected.url));
  });
});
