/** A host with a database and a nats-server of its own, and organizations in it. */
import {
  natsCluster,
  natsServer,
  postgresServer,
  spawnProcess,
  testDatabase,
  type NatsServer,
  type PostgresServer,
  type TestDatabase,
} from '@spooled/testing';

import { Client } from './client.js';
import { DatabasePair } from './database-pair.js';
import { adminKey, Host, root, type HostKind } from './host.js';

export const jwtSecret = 'e2e-secret-e2e-secret-e2e-secret-e2e-secret';

export interface WorldOptions {
  /** A PostgreSQL that can be stopped, and forgets nothing when it is. Default: a database on the run's shared one. */
  hasOwnPostgres?: boolean;
  /** A PostgreSQL of its own that has a streaming, synchronous standby. */
  hasStandby?: boolean;
  /** Three nats-servers that keep the stream together. Default: one. */
  hasNatsCluster?: boolean;
  /** Processes of each service. Default 1. */
  replicas?: number;
  /** The built tree of the release that migrates the database and runs. Default: ours. */
  root?: string;
  /** Further settings of the host. */
  env?: Readonly<Record<string, string>>;
}

export interface Organization {
  readonly id: string;
  readonly key: string;
  /** With the organization's first key. */
  readonly client: Client;
}

export class World {
  static async start(kind: HostKind, options: WorldOptions = {}): Promise<World> {
    const [postgres, natsServers] = await Promise.all([
      options.hasOwnPostgres || options.hasStandby
        ? postgresServer({ isDurable: true })
        : undefined,
      options.hasNatsCluster ? natsCluster() : natsServer().then((server) => [server]),
    ]);
    const isOurs = options.root === undefined;
    const database = postgres ? undefined : await testDatabase({ isEmpty: !isOurs });
    const ownUrl = postgres?.url ?? database?.url ?? '';
    if (postgres || !isOurs) await migrate(ownUrl, options.root);
    const pair = postgres && options.hasStandby ? await DatabasePair.of(postgres) : undefined;
    const databaseUrl = pair?.url ?? ownUrl;
    const env = {
      DATABASE_URL: databaseUrl,
      NATS_URL: natsServers.map(({ url }) => url).join(),
      NATS_STREAM_REPLICAS: String(natsServers.length),
      JWT_SECRET: jwtSecret,
      ADMIN_API_KEY: adminKey,
      LOG_LEVEL: 'warn',
      RATE_LIMIT_REQUESTS_PER_SECOND: '100000',
      RATE_LIMIT_BURST_SIZE: '100000',
      LEASE_REAP_INTERVAL_MS: '500',
      // No lease ends and no worker is lost in a story that does not ask for it, however slow the machine is.
      WORKER_LEASE_DURATION_SECS: '300',
      WORKER_STALE_AFTER_SECS: '3600',
      ...options.env,
    };
    const host = await Host.start(kind, env, options);
    host.secrets.add(jwtSecret);
    return new World(host, natsServers, databaseUrl, postgres, database, pair);
  }

  private constructor(
    readonly host: Host,
    readonly natsServers: readonly NatsServer[],
    readonly databaseUrl: string,
    private readonly ownPostgres: PostgresServer | undefined,
    private readonly database: TestDatabase | undefined,
    private readonly pair: DatabasePair | undefined,
  ) {}

  /** @throws unless the host stops cleanly and reported no bug while it ran. */
  async stop(): Promise<void> {
    try {
      await this.host.stop();
    } finally {
      await Promise.all(this.natsServers.map((server) => server.kill()));
      await this.ownPostgres?.stop('immediate');
      await this.pair?.standby.stop('immediate');
      await this.database?.drop();
    }
  }

  /** The one, or the first of the cluster. */
  get nats(): NatsServer {
    const [server] = this.natsServers;
    if (server === undefined) throw new Error('a world without nats-server');
    return server;
  }

  get postgres(): PostgresServer {
    if (this.ownPostgres === undefined) throw new Error('start the world with hasOwnPostgres');
    return this.ownPostgres;
  }

  get databasePair(): DatabasePair {
    if (this.pair === undefined) throw new Error('start the world with hasStandby');
    return this.pair;
  }

  /** On the enterprise plan, and without a rate limit that would get in a story's way. */
  async organization(slug: string): Promise<Organization> {
    const { admin } = this;
    const created = await admin.post<{
      organization: { id: string };
      api_key: { key: string };
    }>('/admin/organizations', { name: `E2E ${slug}`, slug, plan_tier: 'enterprise' });
    created.expectStatus(201);
    const { organization, api_key } = created.body;
    this.host.secrets.add(api_key.key);
    const limits = { rate_limit_requests_per_second: 1_000_000, rate_limit_burst: 1_000_000 };
    const patched = await admin.patch(`/admin/organizations/${organization.id}`, {
      custom_limits: limits,
    });
    patched.expectStatus(200);
    return { id: organization.id, key: api_key.key, client: this.client(api_key.key) };
  }

  get admin(): Client {
    return new Client(this.host, { 'x-admin-key': adminKey });
  }

  client(credential: string): Client {
    return new Client(this.host, { authorization: `Bearer ${credential}` });
  }
}

/** The separate services do not migrate by themselves, as in a deployment. @param from the built tree of the release */
export async function migrate(databaseUrl: string, from = root): Promise<void> {
  const migration = await spawnProcess({
    command: process.execPath,
    args: ['docker/migrate.mjs'],
    cwd: from,
    env: { DATABASE_URL: databaseUrl },
  });
  const { code } = await migration.exited;
  if (code !== 0) throw new Error(`the migration failed:\n${migration.lines.join('\n')}`);
}
