import {
  Injectable,
  Module,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { env, loadConfig } from '@spooled/config';
import { Readiness } from '@spooled/runtime';
import { Metrics } from '@spooled/telemetry';
import { z } from 'zod';
import { Database, type PoolUse } from './database.js';

export interface RoomDatabaseOptions {
  /** The room's database role. `<role>_maintenance` must exist too. */
  readonly role: string;
  /** Size of the room's pool. */
  readonly maxConnections: number;
  /** Further settings of every connection. */
  readonly settings?: Readonly<Record<string, string>>;
}

const config = z.object({
  DATABASE_URL: env.secret(),
  /** For a database that is distributed by organization: each transaction of grouped calls serves one. */
  GROUP_COMMIT_BY_ORGANIZATION: env.bool(false),
  /** How long a call waits for a connection, in milliseconds; then it is answered with 503. */
  DATABASE_CONNECT_TIMEOUT_MS: env.int(3000, 100, 60_000),
});

/** Gives a room its own pool under its own role. */
@Module({})
export class PostgresModule {
  static forRoom(options: RoomDatabaseOptions): DynamicModule {
    return {
      module: PostgresModule,
      providers: [
        {
          provide: Database,
          useFactory: () => {
            const settings = loadConfig(config);
            return new Database({
              url: settings.DATABASE_URL.reveal(),
              isByOrganization: settings.GROUP_COMMIT_BY_ORGANIZATION,
              connectTimeoutMs: settings.DATABASE_CONNECT_TIMEOUT_MS,
              role: options.role,
              maxConnections: options.maxConnections,
              applicationName: options.role,
              settings: options.settings,
            });
          },
        },
        DatabaseLifecycle,
      ],
      exports: [Database],
    };
  }
}

const POOL_GAUGES: readonly { name: string; help: string; of: keyof PoolUse }[] = [
  {
    name: 'spooled_database_connections',
    help: 'Open connections to PostgreSQL, of all pools of the process.',
    of: 'open',
  },
  {
    name: 'spooled_database_connections_active',
    help: 'Connections to PostgreSQL that work for somebody.',
    of: 'active',
  },
  {
    name: 'spooled_database_connections_wanted',
    help: 'Callers that wait for a connection to PostgreSQL.',
    of: 'waiting',
  },
];

/** Ties the pool to the life of the process, to its readiness and its metrics. */
@Injectable()
class DatabaseLifecycle implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly database: Database,
    private readonly readiness: Readiness,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.readiness.add('database', () => this.database.ping());
    for (const { of, ...gauge } of POOL_GAUGES) {
      this.metrics.reading(gauge, () => this.database.poolUse[of]);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.database.close();
  }
}
