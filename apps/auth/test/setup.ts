import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import { auditMigrations, systemActor } from '@spooled/audit';
import type { PlanTier, SessionGrant } from '@spooled/contracts';
import { HttpServer } from '@spooled/http';
import { Database, runMigrations } from '@spooled/postgres';
import { natsServer, testDatabase, type TestDatabase } from '@spooled/testing';
import { randomBytes } from 'node:crypto';
import { AppModule } from '../src/app.module.js';
import { KeysService } from '../src/keys/keys.service.js';
import { migrations } from '../src/migrations/index.js';
import { OrganizationsService } from '../src/organizations/organizations.service.js';

export const ADMIN_KEY = 'an-admin-key-for-tests-0123456789';
export const JWT_SECRET = 'a-jwt-secret-for-tests-0123456789abcdef';

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
  readonly text: string;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly rawBody?: string;
  /** Sent as bearer. */
  readonly credential?: string;
  readonly adminKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The whole service on a database and a bus of its own. */
export class TestService {
  context!: INestApplicationContext;

  private constructor(
    private readonly database: TestDatabase,
    readonly nats: Awaited<ReturnType<typeof natsServer>>,
  ) {}

  static async start(): Promise<TestService> {
    const database = await testDatabase({ isEmpty: true });
    await runMigrations(database.url, [...auditMigrations, ...migrations]);
    const service = await TestService.on(database);
    await service.boot();
    return service;
  }

  /** Not booted yet; the database is migrated already. */
  static async on(database: TestDatabase): Promise<TestService> {
    return new TestService(database, await natsServer());
  }

  /** Starts the process's worth of modules; again after `shutDown` for a restart. */
  async boot(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    Object.assign(process.env, {
      DATABASE_URL: this.database.url,
      NATS_URL: this.nats.url,
      SPOOLED_ENV: 'test',
      // Nothing is given up because the machine is slow.
      BUS_MIN_WAIT_MS: '30000',
      DATABASE_CONNECT_TIMEOUT_MS: '30000',
      HOST: '127.0.0.1',
      PORT: '0',
      JWT_SECRET,
      ADMIN_API_KEY: ADMIN_KEY,
      LOG_LEVEL: 'silent',
      REGISTRATION_MODE: 'open',
      API_KEY_PEPPER: '',
      API_KEY_PREFIX: '',
      EXTERNAL_URL: '',
      TRUSTED_PROXIES: '',
      EMAIL_PROVIDER: '',
      EMAIL_SIGNUP_ENABLED: '',
      SMTP_URL: '',
      EMAIL_FROM: '',
      STRIPE_SECRET_KEY: '',
      STRIPE_BILLING_WEBHOOK_SECRET: '',
      STRIPE_STARTER_PRICE_ID: '',
      STRIPE_PRO_PRICE_ID: '',
      STRIPE_API_URL: '',
      CORS_ALLOWED_ORIGINS: '',
      RATE_LIMIT_REQUESTS_PER_SECOND: '100000',
      RATE_LIMIT_BURST_SIZE: '100000',
      ...environment,
    });
    this.context = await NestFactory.createApplicationContext(AppModule, {
      logger: false,
      abortOnError: false,
    });
  }

  get databaseUrl(): string {
    return this.database.url;
  }

  async shutDown(): Promise<void> {
    await this.context.close();
  }

  /** At the end of the test file. */
  async stop(): Promise<void> {
    await this.shutDown();
    await this.nats.stop();
    await this.database.drop();
  }

  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    options: CallOptions = {},
  ): Promise<Answer<T>> {
    const { body, rawBody, credential, adminKey, headers } = options;
    const { port } = this.context.get(HttpServer);
    const payload = rawBody ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
      method,
      body: payload,
      headers: {
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
        ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
        ...(adminKey === undefined ? {} : { 'x-admin-key': adminKey }),
        ...headers,
      },
    });
    const text = await response.text();
    const parsed = (text === '' ? undefined : JSON.parse(text)) as T;
    return { status: response.status, headers: response.headers, body: parsed, text };
  }

  /** A new organization and its first key, made inside: the admin route allows 60 a minute only. */
  async organization(
    planTier: PlanTier = 'pro',
  ): Promise<{ id: string; slug: string; key: string; keyId: string }> {
    const request = { name: 'Test organization', slug: freshSlug() };
    const organizations = this.context.get(OrganizationsService);
    const made = await organizations.create(request, planTier, systemActor);
    const { id, slug } = made.organization;
    return { id, slug, key: made.api_key.key, keyId: made.api_key.id };
  }

  /** A further key of an organization, past its plan. */
  async key(
    organizationId: string,
    over: { queues?: string[]; rate_limit?: number; expires_at?: string } = {},
  ): Promise<{ id: string; key: string }> {
    return this.context
      .get(Database)
      .transaction([organizationId], (tx) =>
        this.context
          .get(KeysService)
          .issue(tx, organizationId, { name: 'Another', ...over }, systemActor),
      );
  }

  async login(key: string): Promise<SessionGrant> {
    const { body } = await this.call<SessionGrant>('POST', '/auth/login', {
      body: { api_key: key },
    });
    return body;
  }
}

/** Runs what is counted by fixed windows of so many milliseconds; again if the turn of one fell into it. */
export async function withinOne<T>(windowMs: number, run: () => Promise<T>): Promise<T> {
  const window = (): number => Math.floor(Date.now() / windowMs);
  for (;;) {
    const begun = window();
    const result = await run();
    if (window() === begun) return result;
  }
}

export function freshSlug(): string {
  return `org-${randomBytes(6).toString('hex')}`;
}
