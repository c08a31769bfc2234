import { Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { auditMigrations } from '@spooled/audit';
import {
  authRpc,
  plans,
  type PlanLimits,
  type Principal,
  type StoredEvent,
  type Webhook,
  type WebhookDelivery,
} from '@spooled/contracts';
import { EventLog, eventLogMigrations, EventLogModule } from '@spooled/event-log';
import { HttpServer } from '@spooled/http';
import { Bus, BusModule } from '@spooled/nats';
import { Database, PostgresModule, runMigrations } from '@spooled/postgres';
import { RuntimeModule } from '@spooled/runtime';
import { createLogger, Metrics, TelemetryModule } from '@spooled/telemetry';
import { natsServer, testDatabase } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { AppModule } from '../src/app.module.js';
import { migrations } from '../src/migrations/index.js';

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly text: string;
}

/** The room of another team, which tells what happens there. */
const TELLER = 'spooled_test_teller';
const tellerRoles = `
  do $$ begin create role ${TELLER} nologin; exception when duplicate_object or unique_violation then null; end $$;
  do $$ begin create role ${TELLER}_maintenance nologin; exception when duplicate_object or unique_violation then null; end $$;
  do $$ begin grant spooled_event_writer to ${TELLER}; exception when others then null; end $$;`;

@Module({
  imports: [
    TelemetryModule.forRoot({ service: 'teller' }),
    RuntimeModule,
    BusModule,
    EventLogModule,
    PostgresModule.forRoom({ role: TELLER, maxConnections: 10 }),
  ],
})
class TellerModule {}

/** The smallest plan's webhook limit, without its request limit, which is no matter of this room. */
export const free = { tier: 'free', display_name: 'Free', max_webhooks: 1 } as const;

/** The whole service on a database and a bus of its own; the test plays auth, and the services that tell events. */
export class World {
  readonly #principals = new Map<string, Principal>();
  readonly #contexts: INestApplicationContext[] = [];
  teller!: INestApplicationContext;
  /** The other services' connection. */
  others!: Bus;

  private constructor(
    readonly databaseUrl: string,
    readonly nats: Awaited<ReturnType<typeof natsServer>>,
    readonly owner: pg.Pool,
    readonly settings: Readonly<Record<string, string>>,
  ) {}

  /** `instances`: dispatchers in this process, each a whole service. */
  static async setup(
    options: { instances?: number; settings?: Record<string, string> } = {},
  ): Promise<World> {
    const [database, nats] = await Promise.all([testDatabase({ isEmpty: true }), natsServer()]);
    await runMigrations(database.url, [...eventLogMigrations, ...auditMigrations, ...migrations]);
    const owner = new pg.Pool({ connectionString: database.url, max: 2 });
    owner.on('error', () => undefined);
    await owner.query(tellerRoles);
    const world = new World(database.url, nats, owner, options.settings ?? {});
    Object.assign(process.env, world.environment);
    await world.#startOthers();
    for (let count = 0; count < (options.instances ?? 1); count += 1) await world.boot();
    return world;
  }

  get environment(): Record<string, string> {
    return {
      DATABASE_URL: this.databaseUrl,
      NATS_URL: this.nats.url,
      SPOOLED_ENV: 'test',
      // Nothing is given up because the machine is slow.
      BUS_MIN_WAIT_MS: '30000',
      DATABASE_CONNECT_TIMEOUT_MS: '30000',
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_LEVEL: 'silent',
      // Nobody is taken for dead because the machine is slow.
      WEBHOOK_LEASE_SECS: '300',
      WEBHOOK_ENCRYPTION_KEY: 'a key that signing secrets are encrypted with',
      ...this.settings,
    };
  }

  get contexts(): readonly INestApplicationContext[] {
    return this.#contexts;
  }

  get context(): INestApplicationContext {
    return this.#contexts[0]!;
  }

  async boot(): Promise<INestApplicationContext> {
    const context = await NestFactory.createApplicationContext(AppModule, {
      logger: false,
      abortOnError: false,
    });
    this.#contexts.push(context);
    return context;
  }

  async close(context: INestApplicationContext): Promise<void> {
    this.#contexts.splice(this.#contexts.indexOf(context), 1);
    await context.close();
  }

  async stop(): Promise<void> {
    for (const context of [...this.#contexts]) await this.close(context);
    await this.teller.close();
    await this.others.onApplicationShutdown();
    await this.owner.end();
    await this.nats.stop();
  }

  async #startOthers(): Promise<void> {
    this.others = new Bus(
      { NATS_URL: this.nats.url, SERVICE_NAME: 'test', BUS_MIN_WAIT_MS: 30_000 },
      createLogger('test', 'silent'),
    );
    await this.others.onModuleInit();
    this.others.respond(authRpc.resolve, async ({ credential }) => ({
      principal: this.#principals.get(credential) ?? null,
    }));
    this.teller = await NestFactory.createApplicationContext(TellerModule, {
      logger: false,
      abortOnError: false,
    });
  }

  /** A key of an organization (a new one unless named) that may use the queues, or every queue. */
  key(over: { organizationId?: string; queues?: string[]; plan?: Partial<PlanLimits> } = {}): {
    organizationId: string;
    credential: string;
  } {
    const credential = `sp_test_${randomUUID()}`;
    const organizationId = over.organizationId ?? randomUUID();
    this.#principals.set(credential, {
      organizationId,
      apiKeyId: randomUUID(),
      credential: 'key',
      queues: over.queues ?? [],
      plan: {
        ...plans.enterprise,
        rate_limit_requests_per_second: 10_000,
        rate_limit_burst: 10_000,
        ...over.plan,
      },
      keyRateLimit: null,
      keyExpiresAt: null,
    });
    return { organizationId, credential };
  }

  async call<T = Record<string, unknown>>(
    credential: string | undefined,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Answer<T>> {
    const { port } = this.context.get(HttpServer);
    const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
      method,
      body: typeof body === 'string' || body === undefined ? body : JSON.stringify(body),
      headers: {
        // Published clients name the type on every call, with or without a body.
        'content-type': 'application/json',
        ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
      },
    });
    const text = await response.text();
    return { status: response.status, body: (text && JSON.parse(text)) as T, text };
  }

  /** Makes a webhook for completed jobs. */
  async make(credential: string, over: Record<string, unknown> = {}): Promise<Webhook> {
    const { status, body, text } = await this.call<Webhook>(
      credential,
      'POST',
      '/outgoing-webhooks',
      { name: 'hook', url: 'https://example.com/hook', events: ['job.completed'], ...over },
    );
    if (status !== 201) throw new Error(text);
    return body;
  }

  async read(credential: string, id: string): Promise<Webhook> {
    return (await this.call<Webhook>(credential, 'GET', `/outgoing-webhooks/${id}`)).body;
  }

  async deliveries(credential: string, id: string): Promise<WebhookDelivery[]> {
    const path = `/outgoing-webhooks/${id}/deliveries`;
    return (await this.call<WebhookDelivery[]>(credential, 'GET', path)).body;
  }

  /** Tells events of an organization in one transaction. */
  async tell(organizationId: string, ...events: readonly StoredEvent[]): Promise<void> {
    const log = this.teller.get(EventLog);
    await this.teller
      .get(Database)
      .transaction([organizationId], async (tx) => log.append(tx, [{ organizationId, events }]));
  }

  /** The value of a metric of the first instance; 0 when it is not there yet. */
  async metric(name: string, context = this.context): Promise<number> {
    const text = await context.get(Metrics).exposition();
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    return line === undefined ? 0 : Number(line.slice(name.length));
  }
}

/** A job that completed, and a mark to know it by. */
export function completed(mark: unknown = null): StoredEvent {
  return {
    type: 'JobCompleted',
    data: {
      job_id: randomUUID(),
      queue_name: 'emails',
      duration_ms: 5,
      timestamp: new Date().toISOString(),
      rev: 3,
      worker_id: 'worker-1',
      result: mark,
    },
  };
}
