import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { serversOf, writingClient } from './writing-client.js';

/** A forward-only change of the schema, run once, in a transaction of its own. */
export interface Migration {
  /** Holds a four-digit number, such as `0001-jobs`; never renamed once released. */
  readonly name: string;
  readonly up: string;
}

/** Runs what has not run yet, in order, as the owner of the schemas. Several callers at once wait for each other. */
export async function runMigrations(url: string, migrations: readonly Migration[]): Promise<void> {
  const servers = serversOf(url);
  const source = new DataSource({
    type: 'postgres',
    url: servers[0],
    extra: { Client: writingClient(servers) },
    applicationName: 'spooled-migrate',
    installExtensions: false,
    migrationsTableName: 'spooled_migrations',
    migrations: migrations.map(toTypeOrm),
    migrationsTransactionMode: 'each',
    poolSize: 2,
  });
  await initialize(source, servers.length);
  try {
    const lock = source.createQueryRunner();
    await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    try {
      await source.runMigrations();
    } finally {
      await lock.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK]);
      await lock.release();
    }
  } finally {
    await source.destroy();
  }
}

/** Each attempt asks the next server. */
async function initialize(source: DataSource, attempts: number): Promise<void> {
  try {
    await source.initialize();
  } catch (error) {
    if (attempts === 1) throw error;
    await initialize(source, attempts - 1);
  }
}

const MIGRATION_LOCK = 7_306_565;

/**
 * TypeORM orders migrations by the 13 digits at the end of their name. Ours come from the number in the name, so they
 * never change; equal numbers of different rooms keep the order of the list.
 */
function toTypeOrm({ name, up }: Migration): new () => MigrationInterface {
  const number = Number(/\d{4}/.exec(name)?.[0]);
  if (!Number.isInteger(number)) throw new Error(`the migration ${name} has no number`);
  return class {
    readonly name = `${name}-${1_700_000_000_000 + number}`;
    async up(runner: QueryRunner): Promise<void> {
      await runner.query(up);
    }
    async down(): Promise<void> {
      throw new Error('migrations are forward-only');
    }
  };
}
