import {
  adminApi,
  apiKeysApi,
  authApi,
  authChanged,
  authRpc,
  organizationsApi,
  plans,
  type RouteSpec,
} from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database, sql } from '@spooled/postgres';
import { Signal } from '@spooled/testing';
import { freshSlug, TestService } from './setup.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(async () => {
  await service.stop();
});

const routes: RouteSpec[] = [authApi, organizationsApi, apiKeysApi, adminApi].flatMap((api) =>
  Object.values<RouteSpec>(api),
);

/** What each kind of credential gets at each kind of route; `null`: it is let in, whatever it then hears. */
const matrix: Record<string, Record<string, number | null>> = {
  public: { none: null, unknown: null, scoped: null, full: null, jwt: null, admin: null },
  key: { none: 401, unknown: 401, scoped: null, full: null, jwt: null, admin: 401 },
  'full-key': { none: 401, unknown: 401, scoped: 403, full: null, jwt: null, admin: 401 },
  jwt: { none: 401, unknown: 401, scoped: 401, full: 401, jwt: null, admin: 401 },
  admin: { none: 401, unknown: 401, scoped: 401, full: 401, jwt: 401, admin: null },
};

describe('every route with every kind of credential', () => {
  it.each(routes.map((spec) => [`${spec.method} ${spec.path}`, spec] as const))(
    '%s lets in whom its contract names',
    async (_name, spec) => {
      const { id, key, keyId } = await service.organization('enterprise');
      const scoped = await service.key(id, { queues: ['emails'] });
      const { access_token: token } = await service.login((await service.key(id)).key);
      const credentials: Record<string, { credential?: string; adminKey?: string }> = {
        none: {},
        unknown: { credential: `sp_test_${'c'.repeat(43)}` },
        scoped: { credential: scoped.key },
        full: { credential: key },
        jwt: { credential: token },
        admin: { adminKey: process.env['ADMIN_API_KEY'] },
      };
      for (const [kind, expected] of Object.entries(matrix[spec.auth]!)) {
        const path = spec.path.replace(':id', spec === apiKeysApi.revoke ? freshSlug() : keyId);
        const body = spec.body === undefined ? undefined : {};
        const { status, body: answer } = await service.call(spec.method, path, {
          ...credentials[kind],
          body,
        });
        if (expected === null) expect([kind, status]).not.toEqual([kind, 401]);
        else expect([kind, status]).toEqual([kind, expected]);
        if (status >= 400) expect(answer).toMatchObject({ code: expect.any(String) });
      }
    },
  );

  it('takes a key from X-API-Key too, and none from the query', async () => {
    const { key } = await service.organization();
    const header = await service.call('GET', '/organizations', { headers: { 'x-api-key': key } });
    expect(header.status).toBe(200);
    const query = await service.call('GET', `/organizations?api_key=${key}&token=${key}`);
    expect(query.status).toBe(401);
  });
});

describe('row-level security', () => {
  const everyTable = ['organization', 'api_key', 'session', 'ticket'];

  async function withRole<T>(
    work: (query: (text: string, values?: unknown[]) => Promise<{ rows: T[] }>) => Promise<void>,
  ): Promise<void> {
    const { default: pg } = await import('pg');
    const client = new pg.Client({
      connectionString: service.databaseUrl,
      options: '-c role=spooled_auth',
    });
    await client.connect();
    try {
      await work((text, values) => client.query(text, values) as never);
    } finally {
      await client.end();
    }
  }

  it('fails closed when no organization is set', async () => {
    await withRole(async (query) => {
      for (const table of everyTable) {
        await expect(query(`select * from auth.${table}`)).rejects.toThrow('app.orgs');
      }
      // After a transaction that had set it, the setting is empty instead of missing.
      await query(`begin`);
      await query(`select set_config('app.orgs', '{}', true)`);
      await query(`commit`);
      for (const table of everyTable) {
        await expect(query(`select * from auth.${table}`)).rejects.toThrow('malformed array');
      }
    });
  });

  it('shows and takes rows of the set organizations only', async () => {
    const own = await service.organization();
    const other = await service.organization();
    for (const { key } of [own, other]) {
      const { access_token: credential } = await service.login(key);
      await service.call('POST', '/auth/tickets', { credential });
    }
    const database = service.context.get(Database);
    for (const table of everyTable) {
      const column = table === 'organization' ? 'id' : 'organization_id';
      const all = sql(`test.all-${table}`, `select distinct ${column} as id from auth.${table}`);
      expect(await database.query([own.id], all)).toEqual([{ id: own.id }]);
      expect(await database.query([], all)).toEqual([]);
    }
    const rename = sql(
      'test.rename',
      `update auth.organization set name = 'Taken over' where id = $1 returning id`,
    );
    expect(await database.query([own.id], rename, [other.id])).toEqual([]);
    const plant = sql(
      'test.plant',
      `insert into auth.api_key (organization_id, id, name, key_hash)
       values ($1, gen_random_uuid(), 'Planted', sha256('planted'))`,
    );
    await expect(database.query([own.id], plant, [other.id])).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
    });
  });

  it('lets nobody list keys through the lookup by hash', async () => {
    await service.organization();
    await withRole<{ count: string }>(async (query) => {
      const { rows } = await query(`select count(*) from auth.find_key(null)`);
      expect(rows).toEqual([{ count: '0' }]);
      await expect(query('select * from auth.key_lookup')).rejects.toThrow();
      await expect(
        query('set role spooled_auth_maintenance; select 1 from pg_authid'),
      ).rejects.toThrow();
    });
  });
});

describe('the bus', () => {
  it('answers whose credential it is, with the plan and the limits of the key', async () => {
    const { id } = await service.organization('starter');
    const made = await service.key(id, { queues: ['emails'], rate_limit: 7 });
    const bus = service.context.get(Bus);
    const { principal } = await bus.request(authRpc.resolve, { credential: made.key });
    expect(principal).toMatchObject({
      organizationId: id,
      apiKeyId: made.id,
      credential: 'key',
      queues: ['emails'],
      keyRateLimit: 7,
      keyExpiresAt: null,
      plan: { tier: 'starter', max_api_keys: 5 },
    });
    for (const credential of ['', 'x', `sk_live_${'d'.repeat(43)}`, 'eyJ.e30.x', 'a b', '\u0000']) {
      expect(await bus.request(authRpc.resolve, { credential })).toEqual({ principal: null });
    }
  });

  it('re-reads access that was granted before', async () => {
    const { id, key, keyId } = await service.organization();
    const { access_token: token } = await service.login(key);
    const bus = service.context.get(Bus);
    const { principal } = await bus.request(authRpc.resolve, { credential: token });
    const question = {
      organizationId: id,
      apiKeyId: keyId,
      token: { jti: principal!.token!.jti, sid: principal!.token!.sid },
    };
    const check = async () => (await bus.request(authRpc.check, question)).principal;
    expect(await check()).toMatchObject({ organizationId: id, apiKeyId: keyId, queues: [] });
    await service.call('PUT', `/api-keys/${keyId}`, { credential: key, body: { queues: ['q'] } });
    expect(await check()).toMatchObject({ queues: ['q'] });
    await service.call('POST', '/auth/logout', { credential: token });
    expect(await check()).toBeNull();
    const asKey = await bus.request(authRpc.check, { ...question, token: null });
    expect(asKey.principal).toMatchObject({ credential: 'key' });
  });

  it('tells the limits of organizations that exist, overrides included', async () => {
    const [free, pro, custom] = [
      await service.organization('free'),
      await service.organization('pro'),
      await service.organization('starter'),
    ];
    await service.call('PATCH', `/admin/organizations/${custom.id}`, {
      body: { custom_limits: { max_queues: null, job_retention_days: 0.5 } },
      adminKey: process.env['ADMIN_API_KEY'],
    });
    const unknown = '01970000-0000-7000-8000-000000000000';
    const { organizations } = await service.context
      .get(Bus)
      .request(authRpc.plans, { organizationIds: [free.id, pro.id, custom.id, unknown] });
    expect(new Map(organizations.map((o) => [o.organizationId, o.plan]))).toEqual(
      new Map([
        [free.id, plans.free],
        [pro.id, plans.pro],
        [custom.id, { ...plans.starter, max_queues: null, job_retention_days: 0.5 }],
      ]),
    );
  });

  it('tells everyone of each change', async () => {
    const { id, key, keyId } = await service.organization();
    const heard = new Signal<unknown>();
    service.context.get(Bus).onHint(authChanged, (payload, organizationId) => {
      if (organizationId === id) heard.fire(payload);
    });
    const { access_token: token } = await service.login(key);
    const made = await service.key(id);
    await service.call('POST', '/auth/logout', { credential: token });
    expect(await heard.next()).toEqual({ apiKeyId: keyId, sid: expect.any(String) });
    await service.call('PUT', `/api-keys/${made.id}`, { credential: key, body: { name: 'New' } });
    expect(await heard.next()).toEqual({ apiKeyId: made.id });
    await service.call('DELETE', `/api-keys/${made.id}`, { credential: key });
    expect(await heard.next()).toEqual({ apiKeyId: made.id });
    await service.call('PATCH', `/admin/organizations/${id}`, {
      body: { plan_tier: 'free' },
      adminKey: process.env['ADMIN_API_KEY'],
    });
    expect(await heard.next()).toEqual({ apiKeyId: null });
  });
});
