import { Injectable, Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  authChanged,
  authRpc,
  jobsRpc,
  planLimits,
  plans,
  type Principal,
  type QueueCounters,
  type StoredEvent,
} from '@spooled/contracts';
import { EventLog, eventLogMigrations, EventLogModule } from '@spooled/event-log';
import { HttpServer } from '@spooled/http';
import { Bus, BusModule } from '@spooled/nats';
import { Database, PostgresModule, runMigrations } from '@spooled/postgres';
import { RuntimeModule } from '@spooled/runtime';
import { Metrics, TelemetryModule } from '@spooled/telemetry';
import {
  collectSse,
  natsServer,
  testDatabase,
  WsClient,
  type SseCollection,
  type TestDatabase,
} from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { AppModule } from '../src/app.module.js';

const ROLE = 'spooled_gateway_test';
const writerRole = {
  name: '0099-gateway-test',
  up: `
    do $$ begin create role ${ROLE} nologin; exception when duplicate_object then null; end $$;
    grant spooled_event_writer to ${ROLE};`,
};

/** The rooms that the gateway asks and hears: small doubles on the real bus, events through the real log. */
@Injectable()
class Neighbours {
  readonly principals = new Map<string, Principal>();
  readonly tickets = new Map<string, Principal>();
  readonly jobs = new Map<string, { queueName: string; status: string; rev: number }>();
  readonly counters = new Map<string, Partial<QueueCounters>>();
  countersAsked = 0;
  /** How old a snapshot is when it arrives, in milliseconds. */
  snapshotDelayMs = 0;

  constructor(
    readonly bus: Bus,
    readonly database: Database,
    readonly log: EventLog,
  ) {
    bus.respond(authRpc.resolve, async ({ credential }) => {
      const ticket = this.tickets.get(credential);
      this.tickets.delete(credential);
      return { principal: ticket ?? this.principals.get(credential) ?? null };
    });
    bus.respond(authRpc.check, async ({ apiKeyId, token }) => {
      const known = [...this.principals.values()].find(
        (one) => one.apiKeyId === apiKeyId && one.token?.jti === token?.jti,
      );
      return { principal: known ?? null };
    });
    bus.respond(jobsRpc.snapshot, async ({ organizationId, jobId }) => {
      const job = this.jobs.get(`${organizationId} ${jobId}`);
      if (this.snapshotDelayMs > 0) await delay(this.snapshotDelayMs);
      return { job: job === undefined ? null : { jobId, ...job, status: job.status as 'pending' } };
    });
    bus.respond(jobsRpc.counters, async ({ queueNames }) => {
      this.countersAsked += 1;
      return { queues: queueNames.map((name) => ({ ...zeros(name), ...this.counters.get(name) })) };
    });
    bus.respond(jobsRpc.health, async () => ({ database: true }));
  }
}

function zeros(queueName: string): QueueCounters {
  return {
    queueName,
    pending: 0,
    scheduled: 0,
    processing: 0,
    completed: 0,
    deadletter: 0,
    cancelled: 0,
    paused: false,
  };
}

@Module({
  imports: [
    TelemetryModule.forRoot({ service: 'neighbours' }),
    RuntimeModule,
    BusModule,
    EventLogModule,
    PostgresModule.forRoom({ role: ROLE, maxConnections: 2 }),
  ],
  providers: [Neighbours],
})
class NeighboursModule {}

export interface Caller {
  readonly credential: string;
  readonly principal: Principal;
}

export interface Wire {
  readonly type: string;
  readonly id?: string;
  readonly data: Record<string, unknown>;
  readonly request_id?: string;
  readonly cursor?: string;
  readonly error?: string;
  readonly code?: string;
}

/** The whole gateway on a bus and a log of its own. */
export class TestGateway {
  context!: INestApplicationContext;
  readonly #all: INestApplicationContext[] = [];

  private constructor(
    private readonly database: TestDatabase,
    readonly nats: Awaited<ReturnType<typeof natsServer>>,
    readonly others: INestApplicationContext,
    readonly neighbours: Neighbours,
  ) {}

  static async start(environment: Readonly<Record<string, string>> = {}): Promise<TestGateway> {
    const [database, nats] = await Promise.all([testDatabase({ isEmpty: true }), natsServer()]);
    await runMigrations(database.url, [...eventLogMigrations, writerRole]);
    Object.assign(process.env, {
      DATABASE_URL: database.url,
      NATS_URL: nats.url,
      SPOOLED_ENV: 'test',
      HOST: '127.0.0.1',
      PORT: '0',
      GRPC_PORT: '0',
      LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent',
    });
    const others = await NestFactory.createApplicationContext(NeighboursModule, { logger: false });
    const gateway = new TestGateway(database, nats, others, others.get(Neighbours));
    await gateway.boot(environment);
    return gateway;
  }

  /** Starts an instance of the gateway; the newest one is `context`. */
  async boot(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    for (const name of Object.keys(process.env)) {
      if (/^(REALTIME|GRPC_MAX)_/.test(name)) delete process.env[name];
    }
    Object.assign(process.env, environment);
    this.context = await NestFactory.createApplicationContext(AppModule, { logger: false });
    this.#all.push(this.context);
  }

  async stop(): Promise<void> {
    for (const context of this.#all) await context.close();
    await this.others.close();
    await this.nats.stop();
    await this.database.drop();
  }

  get port(): number {
    return this.context.get(HttpServer).port;
  }

  /** A key of a new organization, or of a given one. */
  caller(over: Partial<Principal> = {}): Caller {
    const credential = `sp_test_${randomUUID()}`;
    const principal: Principal = {
      organizationId: randomUUID(),
      apiKeyId: randomUUID(),
      credential: 'key',
      queues: [],
      plan: planLimits.parse({
        ...plans.enterprise,
        rate_limit_requests_per_second: 100_000,
        rate_limit_burst: 100_000,
      }),
      keyRateLimit: null,
      keyExpiresAt: null,
      ...over,
    };
    this.neighbours.principals.set(credential, principal);
    return { credential, principal };
  }

  ticket(caller: Caller, narrowedTo: Principal['narrowedTo']): string {
    const ticket = `tkt_${randomUUID()}`;
    this.neighbours.tickets.set(ticket, { ...caller.principal, narrowedTo });
    return ticket;
  }

  /** Commits events to the organization's log. */
  async append({ principal }: Caller, ...events: StoredEvent[]): Promise<void> {
    const { organizationId } = principal;
    await this.neighbours.database.transaction([organizationId], async (transaction) => {
      this.neighbours.log.append(transaction, [{ organizationId, events }]);
    });
  }

  /** What retention does to the organization's oldest events. */
  async forget({ principal }: Caller, upTo: number): Promise<void> {
    const client = new pg.Client(this.database.url);
    await client.connect();
    await client.query('delete from events.log where organization_id = $1 and last_seq <= $2', [
      principal.organizationId,
      upTo,
    ]);
    await client.end();
  }

  job({ principal }: Caller, jobId: string, status: string, rev = 1, queueName = 'emails'): void {
    this.neighbours.jobs.set(`${principal.organizationId} ${jobId}`, { queueName, status, rev });
  }

  /** As auth does after a change of the key, or of the whole organization. */
  announceChange({ principal }: Caller, { ofAll = false } = {}): void {
    const { organizationId, apiKeyId } = principal;
    this.neighbours.bus.hint(authChanged, organizationId, { apiKeyId: ofAll ? null : apiKeyId });
  }

  /** Its key ends a moment from now, and all hear of it. */
  expireSoon(caller: Caller): void {
    const keyExpiresAt = new Date(Date.now() + 500).toISOString();
    Object.assign(caller.principal, { keyExpiresAt });
    this.announceChange(caller);
  }

  ws(caller: Caller | null, query: Record<string, string> = {}, headers = {}): Promise<WsClient> {
    const parameters = new URLSearchParams(query);
    if (caller !== null) parameters.set('token', caller.credential);
    const url = `ws://127.0.0.1:${this.port}/api/v1/ws?${parameters.toString()}`;
    return WsClient.open(url, { headers });
  }

  /** A WebSocket that has said hello. */
  async live(caller: Caller, query: Record<string, string> = {}): Promise<WsClient> {
    const client = await this.ws(caller, query);
    await client.waitFor<Wire>(({ type }) => type === 'Ping');
    return client;
  }

  sse(
    caller: Caller | null,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<SseCollection> {
    const bearer: Record<string, string> =
      caller === null ? {} : { authorization: `Bearer ${caller.credential}` };
    return collectSse(`http://127.0.0.1:${this.port}/api/v1${path}`, {
      headers: { ...bearer, ...headers },
    });
  }

  async metric(name: string): Promise<number> {
    return metricOf(this.context.get(Metrics), name);
  }
}

/** Sum of the lines that begin so. */
export async function metricOf(metrics: Metrics, name: string): Promise<number> {
  const text = await metrics.exposition();
  return text
    .split('\n')
    .filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Stored events among what a WebSocket got. */
export function stored(client: WsClient): Wire[] {
  return (client.messages as Wire[]).filter(({ id }) => id !== undefined);
}

export function jobsOf(client: WsClient): unknown[] {
  return stored(client).map(({ data }) => data['job_id'] ?? data['worker_id']);
}

export function seqOf({ id }: { id?: string | undefined }): number {
  return Number(id?.split('-')[1]);
}
