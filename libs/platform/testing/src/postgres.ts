import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { PostgresServer } from '@spooled/embedded';

import { onCleanUp } from './clean-up.js';
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

/**
 * A PostgreSQL of its own, started, for tests that stop or kill it. `isDurable` turns fsync back on.
 * Empty: run the migrations you need.
 */
export async function postgresServer({ isDurable = false } = {}): Promise<PostgresServer> {
  const directory = await temporaryDirectory();
  const server = new PostgresServer({
    dir: join(directory, 'postgres'),
    isDisposable: true,
    removeOnParentDeath: directory,
    settings: isDurable ? { max_connections: 100 } : disposableSettings,
  });
  onCleanUp(async () => {
    await server.stop('immediate');
    await rm(directory, { recursive: true, force: true });
  });
  await server.start();
  return server;
}
