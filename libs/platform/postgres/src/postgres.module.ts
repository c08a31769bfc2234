import {
  Injectable,
  Module,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { env, loadConfig } from '@spooled/config';
import { Readiness } from '@spooled/runtime';
import { z } from 'zod';
import { Database } from './database.js';

export interface RoomDatabaseOptions {
  /** The room's database role. `<role>_maintenance` must exist too. */
  readonly role: string;
  /** Size of the room's pool. */
  readonly maxConnections: number;
  /** Further settings of every connection. */
  readonly settings?: Readonly<Record<string, string>>;
}

const config = z.object({ DATABASE_URL: env.secret() });

/** Gives a room its own pool under its own role. */
@Module({})
export class PostgresModule {
  static forRoom(options: RoomDatabaseOptions): DynamicModule {
    return {
      module: PostgresModule,
      providers: [
        {
          provide: Database,
          useFactory: () =>
            new Database({
              url: loadConfig(config).DATABASE_URL.reveal(),
              role: options.role,
              maxConnections: options.maxConnections,
              applicationName: options.role,
              settings: options.settings,
            }),
        },
        DatabaseLifecycle,
      ],
      exports: [Database],
    };
  }
}

/** Ties the pool to the life of the process and to its readiness. */
@Injectable()
class DatabaseLifecycle implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly database: Database,
    private readonly readiness: Readiness,
  ) {}

  onModuleInit(): void {
    this.readiness.add('database', () => this.database.ping());
  }

  async onApplicationShutdown(): Promise<void> {
    await this.database.close();
  }
}
