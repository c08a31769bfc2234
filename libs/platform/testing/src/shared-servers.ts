/**
 * The one PostgreSQL and the one nats-server of a jest run. They live in jest's parent process and start when a test
 * file first asks, over a small local HTTP endpoint: a run of unit tests alone starts neither.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { findOrInstallNatsServer, NatsServer, PostgresServer } from '@spooled/embedded';
import pg from 'pg';

/** What the endpoint answers to GET /postgres and GET /nats; /postgres/drop/<database> removes a test's database. */
export interface SharedPostgres {
  /** Superuser, any database: `{database}` stands for its name. */
  urlPattern: string;
  /** The database with every room's migrations applied; absent when there was nothing to migrate with. */
  template?: string;
  whyNoTemplate?: string;
}
export interface SharedNats {
  url: string;
}

/** Where test files find the endpoint. */
export const sharedServersVariable = 'SPOOLED_TEST_SERVERS';

const templateName = 'spooled_template';

const defaultMigrateModule = fileURLToPath(
  new URL('../../../../apps/standalone/dist/migrate.js', import.meta.url),
);

export class SharedServers {
  private readonly endpoint: Server;
  private directory: string | undefined;
  private postgres: Promise<SharedPostgres> | undefined;
  private nats: Promise<SharedNats> | undefined;
  private readonly running: { stop(): Promise<void> }[] = [];

  constructor() {
    this.endpoint = createServer((request, response) => {
      // A connection that is kept ends at the very moment, now and then, at which another test file uses it.
      response.setHeader('connection', 'close');
      this.answer(request.url).then(
        (body) => response.end(JSON.stringify(body)),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    });
    this.endpoint.unref();
  }

  /** Names the endpoint in the environment, which jest hands to its workers. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.endpoint.listen(0, '127.0.0.1', resolve));
    const address = this.endpoint.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    process.env[sharedServersVariable] = `http://127.0.0.1:${port}`;
  }

  async stop(): Promise<void> {
    this.endpoint.close();
    this.endpoint.closeAllConnections();
    await Promise.allSettled([this.postgres, this.nats]);
    await Promise.all(this.running.map((server) => server.stop()));
    if (this.directory) await rm(this.directory, { recursive: true, force: true });
  }

  private answer(path = ''): Promise<SharedPostgres | SharedNats | null> {
    if (path === '/postgres') return (this.postgres ??= this.startPostgres());
    if (path === '/nats') return (this.nats ??= this.startNats());
    const [, database] = /^\/postgres\/drop\/(\w+)$/.exec(path) ?? [];
    if (database !== undefined) return this.drop(database);
    return Promise.reject(new Error(`no shared server at ${path}`));
  }

  /** Ends its sessions first. */
  private async drop(database: string): Promise<null> {
    const { urlPattern } = await (this.postgres ??= this.startPostgres());
    await withClient(urlPattern.replace('{database}', 'postgres'), (client) =>
      client.query(`drop database if exists ${database} with (force)`),
    );
    return null;
  }

  private async startPostgres(): Promise<SharedPostgres> {
    const directory = await this.temporaryDirectory();
    const server = new PostgresServer({
      dir: join(directory, 'postgres'),
      isDisposable: true,
      removeOnParentDeath: directory,
      settings: disposableSettings,
    });
    await server.start();
    this.running.push({ stop: () => server.stop('immediate') });
    const shared = { urlPattern: server.urlOf('{database}') };
    const migrateModule = process.env['SPOOLED_TEST_MIGRATE'] ?? defaultMigrateModule;
    if (!existsSync(migrateModule)) {
      return { ...shared, whyNoTemplate: `${migrateModule} is not built` };
    }
    await withClient(server.urlOf('postgres'), (client) =>
      client.query(`create database ${templateName}`),
    );
    const { migrateAll } = (await import(pathToFileURL(migrateModule).href)) as {
      migrateAll(url: string): Promise<void>;
    };
    await migrateAll(server.urlOf(templateName));
    return { ...shared, template: templateName };
  }

  private async startNats(): Promise<SharedNats> {
    const directory = await this.temporaryDirectory();
    const server = new NatsServer({
      binary: await findOrInstallNatsServer({ onProgress: console.log }),
      dir: join(directory, 'nats'),
      removeOnParentDeath: directory,
    });
    await server.start();
    this.running.push(server);
    return { url: server.url };
  }

  private async temporaryDirectory(): Promise<string> {
    return (this.directory ??= await temporaryDirectory());
  }
}

/** For clusters that vanish with the run: durability off, room for many test databases at once. */
export const disposableSettings = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  max_connections: 300,
  shared_buffers: '128MB',
  max_wal_size: '4GB',
  autovacuum_naptime: '10min',
  log_min_messages: 'error',
};

/** Under the system's temporary directory, enterable by the database's own user. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'spooled-test-'));
  await chmod(directory, 0o755);
  return directory;
}

export async function withClient<T>(
  url: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  // A server that goes away under an idle client is the test's business, not a crash of the worker.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Asks the run's endpoint. @throws Error when jest was started without the global setup. */
export async function askShared<T>(
  path: '/postgres' | '/nats' | `/postgres/drop/${string}`,
): Promise<T> {
  const endpoint = process.env[sharedServersVariable];
  if (!endpoint) {
    throw new Error('shared test servers are missing: is globalSetup set in the jest config?');
  }
  const response = await fetch(`${endpoint}${path}`);
  if (!response.ok) throw new Error(`the shared server did not start: ${await response.text()}`);
  return (await response.json()) as T;
}
