import { randomBytes } from 'node:crypto';
import { appendFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { PostgresServer, type PostgresServerOptions } from '@spooled/embedded';

import { baseBackup, writeOwned } from './base-backup.js';
import { onCleanUp } from './clean-up.js';
import { eventually } from './eventually.js';
import {
  askShared,
  disposableSettings,
  temporaryDirectory,
  withClient,
  type SharedPostgres,
} from './shared-servers.js';

export interface TestDatabase {
  /** As the superuser. */
  url: string;
  /** Ends other sessions first. Called at the end of the test file if the test does not. */
  drop(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** No tables: for tests that run their own migrations. */
  isEmpty?: boolean;
}

/** A database of its own on the run's PostgreSQL, cloned from the migrated template. fsync is off there. */
export async function testDatabase({ isEmpty }: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const shared = await askShared<SharedPostgres>('/postgres');
  if (!isEmpty && !shared.template) {
    throw new Error(
      `there is no migrated template (${shared.whyNoTemplate}): build first, or use { isEmpty: true }`,
    );
  }
  const name = `test_${randomBytes(6).toString('hex')}`;
  const admin = shared.urlPattern.replace('{database}', 'postgres');
  const template = isEmpty ? 'template0' : shared.template;
  await withClient(admin, (client) => client.query(`create database ${name} template ${template}`));
  const drop = async (): Promise<void> => {
    forget();
    // Not from here: after a test file's end jest refuses what the driver loads when it connects.
    await askShared(`/postgres/drop/${name}`);
  };
  const forget = onCleanUp(drop);
  return { url: shared.urlPattern.replace('{database}', name), drop };
}

const durableSettings = { max_connections: 100 };

/**
 * A PostgreSQL of its own, started, for tests that stop or kill it. `isDurable` turns fsync back on.
 * Empty: run the migrations you need.
 */
export async function postgresServer({ isDurable = false } = {}): Promise<PostgresServer> {
  const server = await prepared({ settings: isDurable ? durableSettings : disposableSettings });
  await server.start();
  return server;
}

/**
 * A streaming standby of a durable `primary`, started, whose port on 127.0.0.1 it reaches as `port`. Without it nothing
 * commits on the primary from now on: each commit waits until the standby has it on disk.
 */
export async function standbyOf(primary: PostgresServer, port: number): Promise<PostgresServer> {
  const { password } = new URL(primary.url);
  const standby = await prepared({ settings: durableSettings, password });
  await baseBackup(primary, standby.dir);
  await writeOwned(standby.dir, 'standby.signal', '');
  await appendFile(
    join(standby.dir, 'postgresql.auto.conf'),
    `primary_slot_name = 'standby'\n` +
      `primary_conninfo = 'host=127.0.0.1 port=${port} user=spooled password=${password} application_name=standby'\n`,
  );
  await withClient(primary.url, async (owner) => {
    await owner.query(`select pg_create_physical_replication_slot('standby', true)`);
    await standby.start();
    await owner.query(`alter system set synchronous_standby_names = 'standby'`);
    await owner.query('select pg_reload_conf()');
    await eventually(async () => {
      const { rows } = await owner.query(
        `select from pg_stat_replication where sync_state = 'sync'`,
      );
      return rows.length > 0;
    });
  });
  return standby;
}

/** `standby` is a primary of its own from now on. */
export async function promote(standby: PostgresServer): Promise<void> {
  await withClient(standby.url, (owner) => owner.query('select pg_promote()'));
}

async function prepared(
  options: Pick<PostgresServerOptions, 'settings' | 'password'>,
): Promise<PostgresServer> {
  const directory = await temporaryDirectory();
  const server = new PostgresServer({
    dir: join(directory, 'postgres'),
    isDisposable: true,
    removeOnParentDeath: directory,
    ...options,
  });
  onCleanUp(async () => {
    await server.stop('immediate');
    await rm(directory, { recursive: true, force: true });
  });
  return server;
}
