import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import { authRpc, plans, type PlanLimits, type Principal, type Schedule } from '@spooled/contracts';
import { eventLogMigrations } from '@spooled/event-log';
import { HttpServer } from '@spooled/http';
import { Bus } from '@spooled/nats';
import { runMigrations } from '@spooled/postgres';
import { createLogger, Metrics } from '@spooled/telemetry';
import { natsServer, testDatabase } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { AppModule } from '../src/app.module.js';
import { migrations } from '../src/migrations/index.js';
import { tickRunId } from '../src/schedules/run-id.js';
import { FakeJobApi } from './fake-job-api.js';

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly text: string;
}

export interface RunRecord {
  readonly id: string;
  readonly schedule_id: string;
  readonly tick: Date | null;
  readonly status: string;
  readonly error_message: string | null;
}

/** Fires once a year, so only when a test wants it to. */
export const yearly = '0 0 1 1 *';
export const valid = {
  name: 'nightly',
  cron_expression: yearly,
  queue_name: 'emails',
  payload_template: { report: 'sales' },
};

/** The smallest plan's schedule limit, without its request limit, which is no matter of this room. */
export const free = { tier: 'free', display_name: 'Free', max_schedules: 1 } as const;

/** The whole service on a database and a bus of its own; the test plays auth and job-api. */
export class World {
  readonly #principals = new Map<string, Principal>();
  readonly #plans = new Map<string, PlanLimits>();
  readonly #contexts: INestApplicationContext[] = [];
  readonly jobApi: FakeJobApi;
  /** The other services' connection. */
  others!: Bus;

  private constructor(
    readonly databaseUrl: string,
    readonly nats: Awaited<ReturnType<typeof natsServer>>,
    readonly owner: pg.Pool,
    readonly settings: Readonly<Record<string, string>>,
  ) {
    this.jobApi = new FakeJobApi(nats.url);
  }

  /** `instances`: schedulers in this process, each a whole service. */
  static async setup(
    options: {
      instances?: number;
      withJobApi?: boolean;
      databaseUrl?: string;
      settings?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<World> {
    const [url, nats] = await Promise.all([
      options.databaseUrl ?? testDatabase({ isEmpty: true }).then((database) => database.url),
      natsServer(),
    ]);
    await runMigrations(url, [...eventLogMigrations, ...migrations]);
    const owner = new pg.Pool({ connectionString: url, max: 2 });
    owner.on('error', () => undefined);
    const world = new World(url, nats, owner, options.settings ?? {});
    Object.assign(process.env, world.environment);
    await world.#startAuth();
    if (options.withJobApi !== false) await world.jobApi.start();
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
      // Nothing is asked for twice because job-api is slow.
      SCHEDULE_RESEND_AFTER_SECS: '300',
      ...this.settings,
    };
  }

  get context(): INestApplicationContext {
    return this.#contexts[0]!;
  }

  get contexts(): readonly INestApplicationContext[] {
    return this.#contexts;
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
    await this.jobApi.stop();
    await this.others.onApplicationShutdown();
    await this.owner.end();
    await this.nats.stop();
  }

  async #startAuth(): Promise<void> {
    this.others = new Bus(
      { NATS_URL: this.nats.url, SERVICE_NAME: 'test', BUS_MIN_WAIT_MS: 30_000 },
      createLogger('test', 'silent'),
    );
    await this.others.onModuleInit();
    this.others.respond(authRpc.resolve, async ({ credential }) => ({
      principal: this.#principals.get(credential) ?? null,
    }));
    this.others.respond(authRpc.plans, async ({ organizationIds }) => ({
      organizations: organizationIds.flatMap((organizationId) => {
        const plan = this.#plans.get(organizationId);
        return plan === undefined ? [] : [{ organizationId, plan }];
      }),
    }));
  }

  /** A key of an organization (a new one unless named) that may use the queues, or every queue. */
  key(over: { organizationId?: string; queues?: string[]; plan?: Partial<PlanLimits> } = {}): {
    organizationId: string;
    credential: string;
  } {
    const credential = `sp_test_${randomUUID()}`;
    const organizationId = over.organizationId ?? randomUUID();
    const plan = { ...plans.enterprise, ...over.plan };
    this.#plans.set(organizationId, plan);
    this.#principals.set(credential, {
      organizationId,
      apiKeyId: randomUUID(),
      credential: 'key',
      queues: over.queues ?? [],
      plan,
      keyRateLimit: null,
      keyExpiresAt: null,
    });
    return { organizationId, credential };
  }

  /** auth forgets the organization. */
  dissolve(organizationId: string): void {
    this.#plans.delete(organizationId);
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

  /** Makes a schedule and answers its id. */
  async make(credential: string, over: Record<string, unknown> = {}): Promise<string> {
    const { status, body, text } = await this.call<{ id: string }>(
      credential,
      'POST',
      '/schedules',
      {
        ...valid,
        ...over,
      },
    );
    if (status !== 201) throw new Error(text);
    return body.id;
  }

  async read(credential: string, id: string): Promise<Schedule> {
    return (await this.call<Schedule>(credential, 'GET', `/schedules/${id}`)).body;
  }

  /** Makes schedules due: the tick of so many seconds ago, which it answers. */
  async makeDue(ids: readonly string[], secsAgo = 0): Promise<Date> {
    const { rows } = await this.owner.query<{ next_run_at: Date }>(
      `update schedules.schedule set next_run_at = date_trunc('second', now()) - make_interval(secs => $2)
       where id = any ($1) returning next_run_at`,
      [ids, secsAgo],
    );
    return rows[0]!.next_run_at;
  }

  /** The runs of schedules (of all unless named), oldest first. */
  async runs(ids?: readonly string[]): Promise<RunRecord[]> {
    const { rows } = await this.owner.query<RunRecord>(
      `select id, schedule_id, tick, status, error_message from schedules.run
       where $1::uuid[] is null or schedule_id = any ($1) order by started_at, id`,
      [ids ?? null],
    );
    return rows;
  }

  /** Makes many schedules at once, without the front door. Answers their ids. */
  async makeMany(
    organizationId: string,
    count: number,
    over: { cron?: string; queue?: string; payload?: string } = {},
  ): Promise<string[]> {
    const { rows } = await this.owner.query<{ id: string }>(
      `insert into schedules.schedule (organization_id, id, name, cron_expression, timezone, queue_name,
         payload_template, priority, body_bytes, next_run_at)
       select $1, gen_random_uuid(), 'many', $3, 'UTC', $4, $5::text::json, 0, octet_length($5::text), '2999-01-01'
       from generate_series(1, $2) returning id`,
      [organizationId, count, over.cron ?? yearly, over.queue ?? 'emails', over.payload ?? '{}'],
    );
    return rows.map(({ id }) => id);
  }

  /** Makes runs of a schedule that ended so many days ago. */
  async makeRuns(
    organizationId: string,
    scheduleId: string,
    daysAgo: readonly number[],
  ): Promise<void> {
    const msecs = daysAgo.map((days) => Date.now() - days * 86_400_000);
    await this.owner.query(
      `insert into schedules.run (organization_id, id, schedule_id, status, started_at, completed_at)
       select $1, id, $2, 'completed', to_timestamp(msecs / 1000.0), now() from unnest($3::uuid[], $4::bigint[]) r (id, msecs)`,
      [
        organizationId,
        scheduleId,
        msecs.map((each) => tickRunId(randomUUID(), new Date(each))),
        msecs,
      ],
    );
  }

  /** The value of a metric of the first instance; 0 when it is not there yet. */
  async metric(name: string, context = this.context): Promise<number> {
    const text = await context.get(Metrics).exposition();
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    return line === undefined ? 0 : Number(line.slice(name.length));
  }
}
