import type { AccessGrant } from '@spooled/contracts';
import { Database, sql } from '@spooled/postgres';
import { Readiness } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { eventually } from '@spooled/testing';
import { DemoOrganization } from '../src/auth.module.js';
import { loadAuthConfig } from '../src/config.js';
import { KeySecrets } from '../src/keys/key-secrets.js';
import { PepperGuard } from '../src/keys/pepper-guard.js';
import { KeyRepository } from '../src/keys/store/key.repository.js';
import { ExpiryPruner } from '../src/maintenance/expiry-pruner.js';
import { ADMIN_KEY, freshSlug, JWT_SECRET, TestService } from './setup.js';

const ANOTHER_SECRET = 'another-secret-'.repeat(4);
let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(async () => {
  await service.stop();
});

afterEach(async () => {
  await service.shutDown();
  await service.boot();
});

function register(adminKey?: string) {
  return service.call('POST', '/organizations', {
    body: { name: 'Someone', slug: freshSlug() },
    adminKey,
  });
}

describe('the registration mode', () => {
  it('closed: wants the admin key', async () => {
    await service.shutDown();
    await service.boot({ REGISTRATION_MODE: 'closed' });
    for (const key of [undefined, '', 'wrong', `${ADMIN_KEY}x`]) {
      const { status, body } = await register(key);
      expect([key, status, body['code']]).toEqual([key, 403, 'ACCESS_DENIED']);
    }
    expect((await register(ADMIN_KEY)).status).toBe(201);
  });

  it('invite: refuses everyone at the public door, while the administrator has another', async () => {
    await service.shutDown();
    await service.boot({ REGISTRATION_MODE: 'invite' });
    expect((await register()).status).toBe(403);
    expect((await register(ADMIN_KEY)).status).toBe(403);
    const { status } = await service.call('POST', '/admin/organizations', {
      body: { name: 'Invited', slug: freshSlug() },
      adminKey: ADMIN_KEY,
    });
    expect(status).toBe(201);
  });

  it('closed without an admin key: refuses everyone', async () => {
    await service.shutDown();
    await service.boot({ REGISTRATION_MODE: 'closed', ADMIN_API_KEY: '' });
    expect((await register('')).status).toBe(403);
    expect((await register(ADMIN_KEY)).status).toBe(403);
    const admin = await service.call('GET', '/admin/plans', { adminKey: ADMIN_KEY });
    expect(admin.status).toBe(401);
  });
});

/** What a process with this environment would ask at its start. */
function guardWith(environment: Record<string, string>): PepperGuard {
  const { context } = service;
  const config = loadAuthConfig({ SPOOLED_ENV: 'test', ...environment });
  return new PepperGuard(
    context.get(KeyRepository),
    new KeySecrets(config),
    new Readiness(),
    config,
    context.get<Logger>(LOGGER),
    context.get(Metrics),
  );
}

describe('a change of secrets', () => {
  it('of JWT_SECRET alone is refused at the start, in a sentence that says what to do', async () => {
    await expect(guardWith({ JWT_SECRET: ANOTHER_SECRET }).onModuleInit()).rejects.toThrow(
      /API_KEY_PEPPER.*JWT_SECRET of that time/,
    );
    await guardWith({ JWT_SECRET }).onModuleInit();
  });

  it('with the old secret as pepper keeps every key and ends every token', async () => {
    const { key } = await service.organization();
    const { access_token: credential } = await service.login(key);
    await service.shutDown();
    await service.boot({ JWT_SECRET: ANOTHER_SECRET, API_KEY_PEPPER: JWT_SECRET });
    expect((await service.call('GET', '/organizations', { credential: key })).status).toBe(200);
    expect((await service.call('GET', '/organizations', { credential })).status).toBe(401);
  });

  it('of the prefix touches new keys only', async () => {
    const { key } = await service.organization();
    await service.shutDown();
    await service.boot({ API_KEY_PREFIX: 'sk_' });
    const next = await service.organization();
    expect(next.key).toMatch(/^sk_test_/);
    for (const credential of [key, next.key]) {
      expect((await service.call('GET', '/organizations', { credential })).status).toBe(200);
    }
  });
});

describe('the demo organization', () => {
  it('is made once, with a key that is told once', async () => {
    const demo = service.context.get(DemoOrganization);
    const states = await Promise.all([demo.ensure(), demo.ensure(), demo.ensure()]);
    const keys = states.map(({ apiKey }) => apiKey).filter((key) => key !== null);
    expect(keys).toHaveLength(1);
    expect(new Set(states.map(({ organizationId }) => organizationId)).size).toBe(1);
    expect(await demo.ensure()).toEqual({
      organizationId: states[0].organizationId,
      apiKey: null,
    });
    const { body } = await service.call<Record<string, unknown>[]>('GET', '/organizations', {
      credential: keys[0]!,
    });
    expect(body[0]).toMatchObject({ slug: 'demo', plan_tier: 'enterprise' });
  });
});

describe('the expiry pruner', () => {
  it('deletes sessions and tickets that are over, and no others', async () => {
    const { id, key } = await service.organization();
    const { access_token: credential, refresh_token } = await service.login(key);
    await service.login(key);
    await service.call('POST', '/auth/tickets', { credential });
    await service.call('POST', '/auth/tickets', { credential });
    const database = service.context.get(Database);
    const age = (table: string) =>
      sql(
        `test.age-${table}`,
        `update auth.${table} set expires_at = now() - interval '1 second'
         where ctid in (select ctid from auth.${table} limit 1)`,
      );
    const count = (table: string) =>
      sql(`test.count-${table}`, `select count(*) as rows from auth.${table}`);
    for (const table of ['session', 'ticket']) await database.query([id], age(table));
    await service.context.get(ExpiryPruner).step();
    for (const table of ['session', 'ticket']) {
      expect(await database.query([id], count(table))).toEqual([{ rows: 1 }]);
    }
    expect(refresh_token).toEqual(expect.any(String));
  });

  it('leaves a session alone as long as a token of it can live', async () => {
    const { id, key } = await service.organization();
    const { refresh_token } = await service.login(key);
    const database = service.context.get(Database);
    const end = sql(
      'test.end',
      `update auth.session set expires_at = now() + interval '10 minutes'`,
    );
    await database.query([id], end);
    const { body } = await service.call<AccessGrant>('POST', '/auth/refresh', {
      body: { refresh_token },
    });
    const left = sql(
      'test.left',
      `select extract(epoch from expires_at - now()) as secs from auth.session`,
    );
    const [row] = await database.query<{ secs: number }>([id], left);
    expect(row!.secs).toBeGreaterThan(body.expires_in - 60);
  });
});

describe('while the bus is away', () => {
  it('public routes and logins work, and known callers are still served', async () => {
    const { key, id } = await service.organization();
    expect((await service.call('GET', '/organizations', { credential: key })).status).toBe(200);
    await service.nats.stop();
    try {
      expect((await register()).status).toBe(201);
      expect(await service.login(key)).toMatchObject({ token_type: 'Bearer' });
      const { status } = await service.call('GET', `/organizations/${id}`, { credential: key });
      expect(status).toBe(200);
    } finally {
      await service.nats.start();
    }
    const stranger = await service.organization();
    await eventually(async () => {
      const { status } = await service.call('GET', '/organizations', {
        credential: stranger.key,
      });
      expect(status).toBe(200);
    });
  });
});
