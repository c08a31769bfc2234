import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import {
  authRpc,
  jobsRpc,
  plans,
  type PlanLimits,
  type Principal,
  type StoredEvent,
} from '@spooled/contracts';
import { eventLogMigrations } from '@spooled/event-log';
import { HttpServer } from '@spooled/http';
import { Bus } from '@spooled/nats';
import { runMigrations } from '@spooled/postgres';
import { createLogger } from '@spooled/telemetry';
import { natsServer, testDatabase, type TestDatabase } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { AppModule } from '../src/app.module.js';
import { migrations } from '../src/migrations/index.js';

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly text: string;
}

export interface Release {
  readonly organizationId: string;
  readonly workerId: string;
  readonly cause: 'requested' | 'stale';
  readonly leasedBefore?: string | null | undefined;
}

/** The smallest plan's worker limit, without its request limit, which is no matter of this room. */
export const free = { tier: 'free', display_name: 'Free', max_workers: 1 } as const;

/** The whole service on a database and a bus of its own; the test plays auth, and job-api when it is told to. */
export class World {
  /** What job-api was asked to give back. */
  readonly releases: Release[] = [];
  /** Keeps job-api's answers back until it resolves. */
  answersAfter: Promise<void> = Promise.resolve();
  readonly #principals = new Map<string, Principal>();
  context!: INestApplicationContext;
  others!: Bus;

  private constructor(
    private readonly database: TestDatabase,
    readonly nats: Awaited<ReturnType<typeof natsServer>>,
    readonly owner: pg.Client,
  ) {}

  static async setup(options: { withJobApi?: boolean } = {}): Promise<World> {
    const [database, nats] = await Promise.all([testDatabase({ isEmpty: true }), natsServer()]);
    await runMigrations(database.url, [...eventLogMigrations, ...migrations]);
    const owner = new pg.Client({ connectionString: database.url });
    await owner.connect();
    const world = new World(database, nats, owner);
    await world.#boot();
    if (options.withJobApi !== false) world.startJobApi();
    return world;
  }

  get databaseUrl(): string {
    return this.database.url;
  }

  async #boot(): Promise<void> {
    Object.assign(process.env, {
      DATABASE_URL: this.database.url,
      NATS_URL: this.nats.url,
      SPOOLED_ENV: 'test',
      // Nothing is given up because the machine is slow.
      BUS_MIN_WAIT_MS: '30000',
      DATABASE_CONNECT_TIMEOUT_MS: '30000',
      HOST: '127.0.0.1',
      PORT: '0',
      GRPC_PORT: '0',
      LOG_LEVEL: 'silent',
      WORKER_SWEEP_INTERVAL_SECS: '1',
      WORKER_METRICS_INTERVAL_SECS: '1',
    });
    this.others = new Bus(
      { NATS_URL: this.nats.url, SERVICE_NAME: 'test', BUS_MIN_WAIT_MS: 30_000 },
      createLogger('test', 'silent'),
    );
    await this.others.onModuleInit();
    this.others.respond(authRpc.resolve, async ({ credential }) => ({
      principal: this.#principals.get(credential) ?? null,
    }));
    this.context = await NestFactory.createApplicationContext(AppModule, {
      logger: false,
      abortOnError: false,
    });
  }

  startJobApi(): void {
    this.others.respond(jobsRpc.releaseWorker, async (release) => {
      this.releases.push(release);
      await this.answersAfter;
      return { released: 1 };
    });
  }

  async stop(): Promise<void> {
    await this.context.close();
    await this.others.onApplicationShutdown();
    await this.owner.end();
    await this.nats.stop();
    await this.database.drop();
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
      plan: { ...plans.enterprise, ...over.plan },
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
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: {
        // Published clients name the type on every call, with or without a body.
        'content-type': 'application/json',
        ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
      },
    });
    const text = await response.text();
    return { status: response.status, body: (text && JSON.parse(text)) as T, text };
  }

  async register(credential: string, over: Record<string, unknown> = {}): Promise<string> {
    const { body } = await this.call<{ id: string }>(credential, 'POST', '/workers/register', {
      queue_name: 'emails',
      hostname: 'host-1',
      ...over,
    });
    return body.id;
  }

  beat(
    credential: string,
    id: string,
    over: Record<string, unknown> = {},
  ): Promise<Answer<Record<string, unknown>>> {
    return this.call(credential, 'POST', `/workers/${encodeURIComponent(id)}/heartbeat`, {
      current_jobs: 0,
      ...over,
    });
  }

  async statusOf(credential: string, id: string): Promise<unknown> {
    return (await this.call(credential, 'GET', `/workers/${encodeURIComponent(id)}`)).body[
      'status'
    ];
  }

  /** The value of a metric without labels. */
  async metric(name: string): Promise<number> {
    const { port } = this.context.get(HttpServer);
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
  }

  /** Makes the worker silent for so long. */
  async silence(id: string, secs: number): Promise<void> {
    await this.owner.query(
      'update workers.worker set last_heartbeat = now() - make_interval(secs => $2) where id = $1',
      [id, secs],
    );
  }

  /** When the worker's record changed last, to the microsecond. */
  async updatedAt(id: string): Promise<string> {
    const { rows } = await this.owner.query<{ at: string }>(
      `select ${toText('updated_at')} as at from workers.worker where id = $1`,
      [id],
    );
    return rows[0]!.at;
  }

  /** When a worker ended whose jobs are still to be given back. */
  async endOf(id: string): Promise<string | undefined> {
    const { rows } = await this.owner.query<{ at: string }>(
      `select ${toText('release_since')} as at
       from workers.worker where id = $1 and release_since is not null`,
      [id],
    );
    return rows[0]?.at;
  }

  /** The organization's event log, oldest first. */
  async events(organizationId: string): Promise<StoredEvent[]> {
    const { rows } = await this.owner.query<{ events: StoredEvent[] }>(
      'select events from events.log where organization_id = $1 order by last_seq',
      [organizationId],
    );
    return rows.flatMap((row) => row.events);
  }
}

function toText(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}
