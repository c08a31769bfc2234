import {
  Global,
  Injectable,
  Module,
  type INestApplicationContext,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppError, plans, type PlanLimits, type Principal } from '@spooled/contracts';
import { Bus, BusModule } from '@spooled/nats';
import { RuntimeModule } from '@spooled/runtime';
import { TelemetryModule } from '@spooled/telemetry';
import { natsServer } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { HttpModule, HttpServer, PrincipalResolver, SharedLimits } from '../src/index.js';

const principals = new Map<string, Principal>();

/** The auth service is another room's; here credentials are what a test said they are. */
@Injectable()
class Resolver extends PrincipalResolver {
  async resolve(credential: string): Promise<Principal | null> {
    if (credential === 'nobody-can-tell') throw new AppError('SERVICE_UNAVAILABLE');
    return principals.get(credential) ?? null;
  }
}

@Global()
@Module({
  providers: [{ provide: PrincipalResolver, useClass: Resolver }],
  exports: [PrincipalResolver],
})
class AccessDouble {}

const started: { bus: Bus; limits: SharedLimits }[] = [];

/** What a failed start leaves running, which a process would take along when it ends. */
@Injectable()
class Remains {
  constructor(bus: Bus, limits: SharedLimits) {
    started.push({ bus, limits });
  }
}

/** A new key of a new organization, good on every server of the test file. */
export function key(over: Partial<Principal> = {}): string {
  const credential = `sp_test_${randomUUID()}`;
  grant(credential, over);
  return credential;
}

/** What a credential is good for from now on. */
export function grant(credential: string, over: Partial<Principal> = {}): void {
  principals.set(credential, {
    organizationId: randomUUID(),
    apiKeyId: randomUUID(),
    credential: 'key',
    queues: [],
    plan: { ...plans.enterprise },
    keyRateLimit: null,
    keyExpiresAt: null,
    ...principals.get(credential),
    ...over,
  });
}

export function planOf(ratePerSecond: number, burst: number): PlanLimits {
  return {
    ...plans.free,
    rate_limit_requests_per_second: ratePerSecond,
    rate_limit_burst: burst,
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

export interface CallOptions {
  readonly credential?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** As the bytes go over the wire: nothing is added, followed or unpacked. */
export function callPort(
  port: number,
  method: string,
  path: string,
  { credential, headers = {}, body }: CallOptions = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request = httpRequest(
    {
      host: '127.0.0.1',
      port,
      method,
      path,
      // A connection of its own: a refused body may end it.
      agent: false,
      headers: {
        ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
        ...(body === undefined
          ? {}
          : {
              'content-type': 'application/json',
              'content-length': String(Buffer.byteLength(body)),
            }),
        ...headers,
      },
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const text = bytes.toString();
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          bytes,
          text,
          body: (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, unknown>,
        });
      });
    },
  );
  request.on('error', reject);
  request.end(body);
  return promise;
}

/** Servers with a test's routes, on a bus that this file has for itself. */
export class Servers {
  static async setup(controller: Type): Promise<Servers> {
    return new Servers(controller, await natsServer());
  }

  private constructor(
    private readonly controller: Type,
    readonly nats: Awaited<ReturnType<typeof natsServer>>,
  ) {}

  async boot(environment: Readonly<Record<string, string>> = {}): Promise<INestApplicationContext> {
    Object.assign(process.env, {
      SPOOLED_ENV: 'test',
      HOST: '127.0.0.1',
      PORT: '0',
      METRICS_PORT: '',
      NATS_URL: this.nats.url,
      LOG_LEVEL: 'silent',
      ADMIN_API_KEY: 'the-admin-key',
      METRICS_TOKEN: '',
      ENABLE_HSTS: '',
      CORS_ALLOWED_ORIGINS: '',
      TRUSTED_PROXIES: '',
      RATE_LIMIT_REQUESTS_PER_SECOND: '100000',
      RATE_LIMIT_BURST_SIZE: '100000',
      RATE_LIMIT_FAIL_CLOSED: '',
      ...environment,
    });
    const { controller } = this;
    @Module({
      imports: [
        TelemetryModule.forRoot({ service: 'test' }),
        RuntimeModule,
        BusModule,
        AccessDouble,
        HttpModule,
      ],
      providers: [controller, Remains],
    })
    class AppModule {}
    return NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
  }

  /** At the end of the test file. */
  async stop(): Promise<void> {
    for (const { bus, limits } of started) {
      await limits.beforeApplicationShutdown();
      await bus.onApplicationShutdown();
    }
    await this.nats.stop();
  }
}

export function portOf(context: INestApplicationContext): number {
  return context.get(HttpServer).port;
}
