import { Global, Injectable, Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AccessModule } from '@spooled/access';
import {
  AppError,
  authChanged,
  authRpc,
  jobsGrpc,
  plans,
  workersGrpc,
  type GrpcJob,
  type Principal,
} from '@spooled/contracts';
import { HttpModule } from '@spooled/http';
import { Bus, BusModule } from '@spooled/nats';
import { RuntimeModule } from '@spooled/runtime';
import { createLogger, Metrics, TelemetryModule } from '@spooled/telemetry';
import { grpcClient, natsServer, type GrpcClient, type GrpcClientOptions } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { Grpc, GrpcModule, GrpcServer, type CallOf } from '../src/index.js';

type Unary = CallOf<typeof jobsGrpc.getJob>;
type Streaming = CallOf<typeof jobsGrpc.streamJobs>;
type Bidi = CallOf<typeof jobsGrpc.processJobs>;

/** Methods that do what a test wants: the real definitions, without a service behind them. */
@Injectable()
export class Methods {
  onGetJob: (call: Unary) => Promise<{ job?: GrpcJob | null }> = async () => ({});
  onEnqueue: (payload: unknown) => void = () => undefined;
  onStreamJobs: (call: Streaming) => Promise<void> = async () => undefined;
  onProcessJobs: (call: Bidi) => Promise<void> = async () => undefined;

  @Grpc(jobsGrpc.getJob)
  getJob(call: Unary) {
    return this.onGetJob(call);
  }

  @Grpc(jobsGrpc.enqueue)
  async enqueue({ request }: CallOf<typeof jobsGrpc.enqueue>) {
    this.onEnqueue(request.payload);
    return { job_id: request.queue_name, created: true };
  }

  @Grpc(jobsGrpc.streamJobs)
  streamJobs(call: Streaming) {
    return this.onStreamJobs(call);
  }

  @Grpc(jobsGrpc.processJobs)
  processJobs(call: Bidi) {
    return this.onProcessJobs(call);
  }

  @Grpc(workersGrpc.deregister)
  async deregister() {
    return { success: true };
  }
}

const started: Bus[] = [];

/** What a failed start leaves running, which a process would take along when it ends. */
@Injectable()
class Remains {
  constructor(bus: Bus) {
    started.push(bus);
  }
}

@Global()
@Module({ providers: [Methods, Remains], exports: [Methods] })
class MethodsModule {}

@Module({
  imports: [
    TelemetryModule.forRoot({ service: 'test' }),
    RuntimeModule,
    BusModule,
    HttpModule,
    AccessModule,
    GrpcModule,
    MethodsModule,
  ],
})
class TestModule {}

export function job(id: string, over: object = {}): GrpcJob {
  return {
    id,
    organization_id: 'o',
    queue_name: 'q',
    status: 'JOB_STATUS_PROCESSING',
    payload: {},
    retry_count: 0,
    max_retries: 3,
    priority: 0,
    timeout_seconds: 300,
    ...over,
  };
}

/** A server on a bus of its own; the test plays auth. */
export class World {
  readonly #principals = new Map<string, Principal>();
  readonly #clients: GrpcClient[] = [];
  context!: INestApplicationContext;
  auth!: Bus;
  isAuthAway = false;

  private constructor(readonly nats: Awaited<ReturnType<typeof natsServer>>) {}

  static async setup(environment: Readonly<Record<string, string>> = {}): Promise<World> {
    const world = new World(await natsServer());
    try {
      await world.#startAuth();
      await world.#boot(environment);
      return world;
    } catch (error) {
      await world.#stopRemains();
      throw error;
    }
  }

  get methods(): Methods {
    return this.context.get(Methods);
  }

  get port(): number {
    return this.context.get(GrpcServer).port;
  }

  async #startAuth(): Promise<void> {
    this.auth = new Bus(
      { NATS_URL: this.nats.url, SERVICE_NAME: 'auth' },
      createLogger('test', 'silent'),
    );
    await this.auth.onModuleInit();
    const refuseWhenAway = (): void => {
      if (this.isAuthAway) throw new AppError('SERVICE_UNAVAILABLE');
    };
    this.auth.respond(authRpc.resolve, async ({ credential }) => {
      refuseWhenAway();
      return { principal: this.#principals.get(credential) ?? null };
    });
    this.auth.respond(authRpc.check, async ({ apiKeyId }) => {
      refuseWhenAway();
      const known = [...this.#principals.values()].find((each) => each.apiKeyId === apiKeyId);
      return { principal: known ?? null };
    });
  }

  async #boot(environment: Readonly<Record<string, string>>): Promise<void> {
    const settings = {
      NATS_URL: this.nats.url,
      SPOOLED_ENV: 'test',
      HOST: '127.0.0.1',
      PORT: '0',
      GRPC_PORT: '0',
      LOG_LEVEL: 'silent',
      ...environment,
    };
    Object.assign(process.env, settings);
    this.context = await NestFactory.createApplicationContext(TestModule, {
      logger: false,
      abortOnError: false,
    });
    for (const name of Object.keys(environment)) delete process.env[name];
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.context.close();
    await this.#stopRemains();
  }

  async #stopRemains(): Promise<void> {
    for (const bus of started.splice(0)) await bus.onApplicationShutdown();
    await this.auth.onApplicationShutdown();
    await this.nats.stop();
  }

  client(service = 'spooled.v1.QueueService', options: GrpcClientOptions = {}): GrpcClient {
    const client = grpcClient(service, this.port, options);
    this.#clients.push(client);
    return client;
  }

  /** A new key. */
  key(over: Partial<Principal> = {}): string {
    const credential = `sp_test_${randomUUID()}`;
    this.#principals.set(credential, {
      organizationId: randomUUID(),
      apiKeyId: randomUUID(),
      credential: 'key',
      queues: [],
      plan: { ...plans.enterprise },
      keyRateLimit: null,
      keyExpiresAt: null,
      ...over,
    });
    return credential;
  }

  /** Changes what a key is good for, `null` = nothing; tells of it unless it should be found out. */
  change(credential: string, over: Partial<Principal> | null, isTold = true): void {
    const { organizationId, apiKeyId, ...rest } = this.#principals.get(credential)!;
    if (over === null) this.#principals.delete(credential);
    else this.#principals.set(credential, { organizationId, apiKeyId, ...rest, ...over });
    if (isTold) this.auth.hint(authChanged, organizationId, { apiKeyId });
  }

  async metric(line: string): Promise<number> {
    const text = await this.context.get(Metrics).exposition();
    const found = text.split('\n').find((each) => each.startsWith(`${line} `));
    return Number(found?.split(' ').at(-1) ?? Number.NaN);
  }
}
