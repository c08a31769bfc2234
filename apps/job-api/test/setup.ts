import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import {
  authChanged,
  authRpc,
  plans,
  workAvailable,
  type ClaimedJob,
  type Job,
  type JobStats,
  type PlanLimits,
  type Principal,
  type StoredEvent,
} from '@spooled/contracts';
import { auditMigrations } from '@spooled/audit';
import { eventLogMigrations } from '@spooled/event-log';
import { GrpcServer } from '@spooled/grpc';
import { HttpServer } from '@spooled/http';
import { Bus } from '@spooled/nats';
import { runMigrations } from '@spooled/postgres';
import { createLogger } from '@spooled/telemetry';
import { eventually, natsServer, testDatabase } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { AppModule } from '../src/app.module.js';
import { WorkSignal } from '../src/jobs/work-signal.js';
import { migrations } from '../src/migrations/index.js';

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
  readonly text: string;
}

export interface KeyOptions {
  readonly organizationId?: string;
  readonly queues?: string[];
  readonly plan?: Partial<PlanLimits>;
  readonly keyRateLimit?: number;
}

export interface SetupOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** A database with nothing in it; the run's shared server gives one unless the test stops its own. */
  readonly databaseUrl?: string;
}

type Body = Record<string, unknown>;

/** Request limits are no matter of this room. */
const unhurried = { rate_limit_requests_per_second: 100_000, rate_limit_burst: 100_000 };

/** The whole service on a database and a bus of its own; the test plays auth. */
export class World {
  /** Plans of organizations, as auth tells other services; unlimited unless set. */
  readonly plans = new Map<string, PlanLimits>();
  /** Organizations that auth does not know. */
  readonly unknown = new Set<string>();
  readonly #principals = new Map<string, Principal>();
  readonly #closers: (() => Promise<unknown>)[] = [];
  context!: INestApplicationContext;
  others!: Bus;
  owner!: pg.Client;
  nats!: Awaited<ReturnType<typeof natsServer>>;
  databaseUrl!: string;

  static async setup(options: SetupOptions = {}): Promise<World> {
    const world = new World();
    const [databaseUrl, nats] = await Promise.all([
      options.databaseUrl ?? world.#ownDatabase(),
      natsServer(),
    ]);
    world.databaseUrl = databaseUrl;
    world.nats = nats;
    await runMigrations(databaseUrl, [...eventLogMigrations, ...auditMigrations, ...migrations]);
    world.owner = await world.client();
    await world.#playAuth();
    await world.boot(options.environment);
    // A start goes on without a bus that takes its time; tests begin with it.
    await eventually(() => world.context.get(Bus).isConnected);
    return world;
  }

  /** A connection as the owner of the database. */
  async client(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.databaseUrl });
    client.on('error', () => undefined);
    await client.connect();
    this.#closers.push(() => client.end().catch(() => undefined));
    return client;
  }

  /** Starts the room; again after `context.close()` for a restart. */
  async boot(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    Object.assign(process.env, {
      DATABASE_URL: this.databaseUrl,
      NATS_URL: this.nats.url,
      SPOOLED_ENV: 'test',
      // Nothing is given up because the machine is slow.
      BUS_MIN_WAIT_MS: '30000',
      DATABASE_CONNECT_TIMEOUT_MS: '30000',
      HOST: '127.0.0.1',
      PORT: '0',
      GRPC_PORT: '0',
      LOG_LEVEL: 'silent',
      // Loops that cover for a lost hint come so seldom that nothing passes because of them: tests ring for them.
      LEASE_REAP_INTERVAL_MS: '60000',
      WORK_POLL_INTERVAL_MS: '60000',
      WORKER_LEASE_DURATION_SECS: '',
      GROUP_COMMIT_MAX_ROWS: '',
      GROUP_COMMIT_BY_ORGANIZATION: '',
      ...environment,
    });
    this.context = await NestFactory.createApplicationContext(AppModule, {
      logger: false,
      abortOnError: false,
    });
  }

  async stop(): Promise<void> {
    await this.context.close();
    await this.others.onApplicationShutdown();
    for (const close of this.#closers.reverse()) await close();
    await this.nats.stop();
  }

  async #ownDatabase(): Promise<string> {
    const { url, drop } = await testDatabase({ isEmpty: true });
    this.#closers.push(drop);
    return url;
  }

  async #playAuth(): Promise<void> {
    this.others = new Bus(
      { NATS_URL: this.nats.url, SERVICE_NAME: 'test', BUS_MIN_WAIT_MS: 30_000 },
      createLogger('test', 'silent'),
    );
    await this.others.onModuleInit();
    this.others.respond(authRpc.resolve, async ({ credential }) => ({
      principal: this.#principals.get(credential) ?? null,
    }));
    this.others.respond(authRpc.check, async ({ apiKeyId }) => ({
      principal: [...this.#principals.values()].find((one) => one.apiKeyId === apiKeyId) ?? null,
    }));
    this.others.respond(authRpc.plans, async ({ organizationIds }) => ({
      organizations: organizationIds
        .filter((organizationId) => !this.unknown.has(organizationId))
        .map((organizationId) => ({
          organizationId,
          plan: this.plans.get(organizationId) ?? plans.enterprise,
        })),
    }));
  }

  get url(): string {
    return `http://127.0.0.1:${this.context.get(HttpServer).port}`;
  }

  /** A key of an organization (a new one unless named) that may use the queues, or every queue. */
  key(options: KeyOptions = {}): Tenant {
    const credential = `sp_test_${randomUUID()}`;
    const organizationId = options.organizationId ?? randomUUID();
    this.#principals.set(credential, {
      organizationId,
      apiKeyId: randomUUID(),
      credential: 'key',
      queues: options.queues ?? [],
      plan: { ...plans.enterprise, ...unhurried, ...options.plan },
      keyRateLimit: options.keyRateLimit ?? null,
      keyExpiresAt: null,
    });
    return new Tenant(this, organizationId, credential);
  }

  get grpcPort(): number {
    return this.context.get(GrpcServer).port;
  }

  /** Changes what a key may do, undefined = nothing any more, and says so as auth does. */
  changeKey(
    { credential, organizationId }: Tenant,
    change: Partial<Principal> | undefined,
    { isSilent = false } = {},
  ): void {
    const before = this.#principals.get(credential)!;
    if (change === undefined) this.#principals.delete(credential);
    else this.#principals.set(credential, { ...before, ...change });
    const { apiKeyId } = before;
    if (!isSilent) this.others.hint(authChanged, organizationId, { apiKeyId });
  }

  /** Says that a queue has jobs, as another instance does. */
  announceElsewhere({ organizationId }: Tenant, queueName: string): void {
    const queueNames = [queueName];
    this.others.hint(workAvailable, organizationId, { queueNames, instance: 'another' });
  }

  async request<T = Body>(
    method: string,
    path: string,
    init: RequestInit = {},
  ): Promise<Answer<T>> {
    const response = await fetch(`${this.url}${path}`, { method, ...init });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : undefined) as T,
      text,
    };
  }
}

/**
 * Expects a call to answer the instant so many seconds after it was dealt with, or one between so many: after it was asked
 * and before it had answered, however long that took. Answers the instant.
 */
export async function expectAhead(
  secs: number | readonly [least: number, most: number],
  call: () => Promise<Date>,
): Promise<Date> {
  const [least, most] = typeof secs === 'number' ? [secs, secs] : secs;
  const askedAt = Date.now();
  const instant = await call();
  // The clock of the database is this machine's, to the millisecond.
  expect(instant.getTime()).toBeGreaterThanOrEqual(askedAt + least * 1000 - 1);
  expect(instant.getTime()).toBeLessThanOrEqual(Date.now() + most * 1000 + 1);
  return instant;
}

/**
 * A claim that waits looks for itself after 20 seconds at most: whatever it got before this time was told to it, however
 * busy the machine is.
 */
export const SOON_MS = 15_000;

/** A caller with one key, and what tests do with it again and again. */
export class Tenant {
  constructor(
    readonly world: World,
    readonly organizationId: string,
    readonly credential: string,
  ) {}

  async call<T = Body>(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer<T>> {
    return this.world.request<T>(method, `/api/v1${path}`, {
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
      headers: {
        // Published clients name the type on every call, with or without a body.
        'content-type': 'application/json',
        authorization: `Bearer ${this.credential}`,
        ...headers,
      },
    });
  }

  async enqueue(over: Body = {}): Promise<string> {
    const { status, body, text } = await this.call<{ id: string }>('POST', '/jobs', {
      queue_name: 'emails',
      payload: {},
      ...over,
    });
    if (status !== 201 && status !== 200) throw new Error(`enqueue: ${status} ${text}`);
    return body.id;
  }

  async claim(over: Body = {}): Promise<ClaimedJob[]> {
    const { status, body, text } = await this.call<{ jobs: ClaimedJob[] }>('POST', '/jobs/claim', {
      queue_name: 'emails',
      worker_id: 'w-1',
      // No lease ends because the machine is slow.
      lease_duration_secs: 3600,
      ...over,
    });
    if (status !== 200) throw new Error(`claim: ${status} ${text}`);
    return body.jobs;
  }

  /** A job leased to `w-1`. */
  async leased(over: Body = {}): Promise<ClaimedJob> {
    const id = await this.enqueue(over);
    const [job] = await this.claim({ queue_name: over['queue_name'] ?? 'emails' });
    if (job?.id !== id) throw new Error('another job was waiting');
    return job;
  }

  complete(id: string, over: Body = {}) {
    return this.call('POST', `/jobs/${id}/complete`, { worker_id: 'w-1', ...over });
  }

  fail(id: string, over: Body = {}) {
    return this.call('POST', `/jobs/${id}/fail`, { worker_id: 'w-1', error: 'boom', ...over });
  }

  renew(id: string, over: Body = {}) {
    return this.call('POST', `/jobs/${id}/heartbeat`, {
      worker_id: 'w-1',
      lease_duration_secs: 60,
      ...over,
    });
  }

  cancel(id: string) {
    return this.call('DELETE', `/jobs/${id}`);
  }

  async job(id: string): Promise<Job & { progress: Body | null }> {
    const { status, body, text } = await this.call<Job & { progress: Body | null }>(
      'GET',
      `/jobs/${id}`,
    );
    if (status !== 200) throw new Error(`get: ${status} ${text}`);
    return body;
  }

  async statusOf(id: string): Promise<string> {
    return (await this.job(id)).status;
  }

  async stats(queueName?: string): Promise<JobStats> {
    const query = queueName === undefined ? '' : `?queue_name=${queueName}`;
    return (await this.call<JobStats>('GET', `/jobs/stats${query}`)).body;
  }

  /** A job whose budget is spent. */
  async deadLetter(over: Body = {}): Promise<string> {
    const { id } = await this.leased({ max_retries: 0, ...over });
    await this.fail(id);
    return id;
  }

  /** Ends the lease of a job as time would. */
  async expireLease(id: string): Promise<void> {
    await this.world.owner.query(
      `update jobs.job_running set lease_expires_at = now() - interval '1 second' where id = $1`,
      [id],
    );
  }

  /** Makes a deferred job due now and wakes the stager. */
  async makeDue(id: string): Promise<void> {
    await this.world.owner.query(
      `update jobs.job_deferred set due_at = now(), scheduled_at = now() where id = $1`,
      [id],
    );
    this.world.context.get(WorkSignal).announceDue(new Date(0));
  }

  /** The organization's event log, oldest first; checks that it is dense. */
  async events(): Promise<StoredEvent[]> {
    const { rows } = await this.world.owner.query<{
      first_seq: string;
      last_seq: string;
      events: StoredEvent[];
    }>(
      'select first_seq, last_seq, events from events.log where organization_id = $1 order by last_seq',
      [this.organizationId],
    );
    let seq = 0;
    for (const row of rows) {
      if (Number(row.first_seq) !== seq + 1) throw new Error(`a hole before ${row.first_seq}`);
      seq += row.events.length;
      if (Number(row.last_seq) !== seq) throw new Error(`last_seq ${row.last_seq} is not ${seq}`);
    }
    return rows.flatMap(({ events }) => events);
  }

  /** Events of one job in short: `JobCreated 1`, `pending→processing 2`, `JobCompleted 2` … */
  async story(id: string): Promise<string[]> {
    return (await this.events()).flatMap((event) => {
      if (!('rev' in event.data) || event.data.job_id !== id) return [];
      if (event.type === 'JobStatusChange') {
        const { old_status, new_status, rev } = event.data;
        return [`${old_status}→${new_status} ${rev}`];
      }
      return [`${event.type} ${event.data.rev}`];
    });
  }
}
