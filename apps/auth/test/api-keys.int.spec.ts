import type { ApiKey, CreatedKey } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { LastUsed } from '../src/keys/last-used.js';
import { ADMIN_KEY, TestService } from './setup.js';

const unknownId = '01970000-0000-7000-8000-000000000000';
let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(async () => {
  await service.stop();
});

function create(credential: string, body: unknown = { name: 'Key' }) {
  return service.call<CreatedKey>('POST', '/api-keys', { credential, body });
}

describe('POST /api-keys', () => {
  it('makes a key that works at once, for every queue unless told otherwise', async () => {
    const { id, key } = await service.organization();
    const { status, body } = await create(key, { name: 'Plain' });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(String),
      key: expect.stringMatching(/^sp_test_[A-Za-z0-9_-]{43}$/),
      name: 'Plain',
      created_at: expect.any(String),
      expires_at: null,
    });
    const seen = await service.call<ApiKey>('GET', `/api-keys/${body.id}`, {
      credential: body.key,
    });
    expect(seen.body).toEqual({
      id: body.id,
      name: 'Plain',
      queues: ['*'],
      rate_limit: null,
      is_active: true,
      created_at: body.created_at,
      last_used: null,
      expires_at: null,
    });
    const own = await service.call('GET', `/organizations/${id}`, { credential: body.key });
    expect(own.status).toBe(200);
  });

  it('keeps scope, rate and end as they were given', async () => {
    const { key } = await service.organization();
    const { body } = await create(key, {
      name: 'Narrow',
      queues: ['emails', 'reports'],
      rate_limit: 60,
      expires_at: '2999-01-01T02:00:00+02:00',
    });
    expect(body.expires_at).toBe('2999-01-01T00:00:00.000Z');
    const { body: seen } = await service.call<ApiKey>('GET', `/api-keys/${body.id}`, {
      credential: key,
    });
    expect(seen).toMatchObject({
      queues: ['emails', 'reports'],
      rate_limit: 60,
      expires_at: '2999-01-01T00:00:00.000Z',
    });
  });

  it('stores no key, only hashes', async () => {
    const { id, key } = await service.organization();
    const { text } = await service.call('GET', '/api-keys', { credential: key });
    expect(text).not.toContain(key);
    expect(text).not.toContain('hash');
    expect(id).toEqual(expect.any(String));
  });

  it.each([
    ['no name', {}],
    ['an empty name', { name: '' }],
    ['a name of 101 characters', { name: 'a'.repeat(101) }],
    ['a NUL in the name', { name: '\u0000' }],
    ['queues that are text', { name: 'Key', queues: 'emails' }],
    ['51 queues', { name: 'Key', queues: Array(51).fill('emails') }],
    ['an empty queue name', { name: 'Key', queues: [''] }],
    ['a queue name of 256 characters', { name: 'Key', queues: ['a'.repeat(256)] }],
    ['a NUL in a queue name', { name: 'Key', queues: ['a\u0000'] }],
    ['a rate of zero', { name: 'Key', rate_limit: 0 }],
    ['a rate of 10001', { name: 'Key', rate_limit: 10_001 }],
    ['half a request', { name: 'Key', rate_limit: 0.5 }],
    ['an end that is past', { name: 'Key', expires_at: '2001-01-01T00:00:00Z' }],
    ['an end that is no time', { name: 'Key', expires_at: 'tomorrow' }],
  ])('refuses %s', async (_what, body) => {
    const { key } = await service.organization();
    const answer = await create(key, body);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ code: 'VALIDATION_ERROR' });
  });

  it('says which limit of the plan is reached', async () => {
    const { key } = await service.organization('free');
    expect((await create(key)).status).toBe(201);
    const { status, body, headers } = await create(key);
    expect(status).toBe(429);
    expect(body).toEqual({
      code: 'QUOTA_EXCEEDED',
      error: 'limit_exceeded',
      message: expect.stringMatching(/^api_keys limit reached \(2\/2\)/),
      resource: 'api_keys',
      current: 2,
      limit: 2,
      plan: 'free',
      upgrade_to: 'starter',
    });
    expect(headers.get('retry-after')).toBeNull();
    expect(headers.get('x-ratelimit-reset')).not.toBeNull();
  });

  it('never makes more keys than the plan allows, however many ask at once', async () => {
    const { id } = await service.organization('starter');
    const asked = await Promise.all(
      Array.from({ length: 20 }, () =>
        service.call('POST', `/admin/organizations/${id}/api-keys`, {
          body: { name: 'Key' },
          adminKey: ADMIN_KEY,
        }),
      ),
    );
    // Five on the starter plan, one of them made with the organization.
    expect(asked.filter(({ status }) => status === 201)).toHaveLength(4);
    expect(asked.filter(({ status }) => status === 429)).toHaveLength(16);
  });

  it('calls a resource that the limits exclude disabled', async () => {
    const { id, key } = await service.organization('free');
    await service.call('PATCH', `/admin/organizations/${id}`, {
      body: { custom_limits: { max_api_keys: 0 } },
      adminKey: ADMIN_KEY,
    });
    const { status, body } = await create(key);
    expect(status).toBe(403);
    expect(body).toMatchObject({
      code: 'FEATURE_DISABLED',
      error: 'feature_disabled',
      feature: 'api_keys',
      plan: 'free',
      upgrade_to: 'starter',
    });
  });

  it('charges the plan as it is now', async () => {
    const { id, key } = await service.organization('free');
    await create(key);
    expect((await create(key)).status).toBe(429);
    await service.call('PATCH', `/admin/organizations/${id}`, {
      body: { plan_tier: 'starter' },
      adminKey: ADMIN_KEY,
    });
    expect((await create(key)).status).toBe(201);
  });
});

describe('GET /api-keys', () => {
  it('lists the newest hundred, newest first, revoked ones too', async () => {
    const { id, key } = await service.organization('enterprise');
    const made: string[] = [];
    for (let count = 0; count < 101; count += 1) made.push((await service.key(id)).id);
    await service.call('DELETE', `/api-keys/${made[50]}`, { credential: key });
    const { status, body } = await service.call<ApiKey[]>('GET', '/api-keys', { credential: key });
    expect(status).toBe(200);
    expect(body.map((entry) => entry.id)).toEqual(made.slice(1).reverse());
    expect(body.find((entry) => entry.id === made[50])?.is_active).toBe(false);
  });

  it('shows nothing of another organization', async () => {
    const { key } = await service.organization();
    const other = await service.organization();
    const { body } = await service.call<ApiKey[]>('GET', '/api-keys', { credential: key });
    expect(body.map(({ id }) => id)).not.toContain(other.keyId);
    expect(body).toHaveLength(1);
  });
});

describe('PUT /api-keys/:id', () => {
  it('changes what it names and keeps the rest', async () => {
    const { id, key } = await service.organization();
    const made = await service.key(id, { queues: ['emails'], rate_limit: 5 });
    const put = (body: unknown) =>
      service.call<ApiKey>('PUT', `/api-keys/${made.id}`, { credential: key, body });
    expect((await put({ name: 'Renamed' })).body).toMatchObject({
      name: 'Renamed',
      queues: ['emails'],
      rate_limit: 5,
      is_active: true,
    });
    expect((await put({ queues: [], rate_limit: null })).body).toMatchObject({
      name: 'Renamed',
      queues: [],
      rate_limit: null,
    });
    expect((await put(undefined)).status).toBe(200);
    expect((await put({ is_active: false })).body.is_active).toBe(false);
  });

  it.each([
    ['an empty name', { name: '' }],
    ['a rate of zero', { rate_limit: 0 }],
    ['an activity that is text', { is_active: 'yes' }],
    ['queues that are a number', { queues: 7 }],
  ])('refuses %s', async (_what, body) => {
    const { key, keyId } = await service.organization();
    const answer = await service.call('PUT', `/api-keys/${keyId}`, { credential: key, body });
    expect(answer.status).toBe(400);
  });

  it('narrows a key from its next request on, tokens made before included', async () => {
    const { id, key } = await service.organization();
    const made = await service.key(id);
    const { access_token: token } = await service.login(made.key);
    for (const credential of [made.key, token]) {
      expect((await service.call('GET', '/api-keys', { credential })).status).toBe(200);
    }
    await service.call('PUT', `/api-keys/${made.id}`, {
      credential: key,
      body: { queues: ['emails'] },
    });
    for (const credential of [made.key, token]) {
      await eventually(async () => {
        expect((await service.call('GET', '/api-keys', { credential })).status).toBe(403);
      });
    }
  });

  it('charges an activation, but not of a key that is active', async () => {
    const { key, keyId } = await service.organization('free');
    const second = (await create(key)).body;
    await service.call('DELETE', `/api-keys/${second.id}`, { credential: key });
    const third = (await create(key)).body;
    const activate = (id: string) =>
      service.call('PUT', `/api-keys/${id}`, { credential: key, body: { is_active: true } });
    expect((await activate(keyId)).status).toBe(200);
    expect((await activate(second.id)).body).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      resource: 'api_keys',
    });
    await service.call('DELETE', `/api-keys/${third.id}`, { credential: key });
    expect((await activate(second.id)).status).toBe(200);
    await eventually(async () => {
      const { status } = await service.call('GET', '/organizations', { credential: second.key });
      expect(status).toBe(200);
    });
  });

  it('lets one of several activations through when there is room for one', async () => {
    const { id, key } = await service.organization('free');
    const spare = [await service.key(id), await service.key(id), await service.key(id)];
    for (const { id: spareId } of spare) {
      await service.call('DELETE', `/api-keys/${spareId}`, { credential: key });
    }
    const answers = await Promise.all(
      spare.map(({ id: spareId }) =>
        service.call('PUT', `/api-keys/${spareId}`, { credential: key, body: { is_active: true } }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 429, 429]);
  });
});

describe('DELETE /api-keys/:id', () => {
  it('takes a key and its tokens away at once, and stays listed', async () => {
    const { id, key } = await service.organization();
    const made = await service.key(id);
    const grant = await service.login(made.key);
    const credentials = [made.key, grant.access_token];
    for (const credential of credentials) {
      expect((await service.call('GET', '/organizations', { credential })).status).toBe(200);
    }
    const revoked = await service.call('DELETE', `/api-keys/${made.id}`, { credential: key });
    expect([revoked.status, revoked.text]).toEqual([204, '']);
    for (const credential of credentials) {
      const { status, body } = await service.call('GET', '/organizations', { credential });
      expect([status, body]).toEqual([401, expect.objectContaining({ code: 'UNAUTHORIZED' })]);
    }
    const refreshed = await service.call('POST', '/auth/refresh', {
      body: { refresh_token: grant.refresh_token },
    });
    expect(refreshed.status).toBe(401);
    const seen = await service.call<ApiKey>('GET', `/api-keys/${made.id}`, { credential: key });
    expect(seen.body.is_active).toBe(false);
    const again = await service.call('DELETE', `/api-keys/${made.id}`, { credential: key });
    expect(again.status).toBe(204);
  });
});

describe('what is not the caller’s', () => {
  it.each([
    ['GET', ''],
    ['PUT', ''],
    ['DELETE', ''],
  ])('is unknown to %s, another tenant’s id or no id at all', async (method) => {
    const { key } = await service.organization();
    const other = await service.organization();
    for (const id of [other.keyId, unknownId, 'not-an-id', other.keyId.toUpperCase()]) {
      const body = method === 'PUT' ? { name: 'Taken over', is_active: false } : undefined;
      const answer = await service.call(method, `/api-keys/${id}`, { credential: key, body });
      expect([id, answer.status]).toEqual([id, 404]);
      expect(answer.body).toMatchObject({ code: 'NOT_FOUND' });
    }
    const untouched = await service.call<ApiKey>('GET', `/api-keys/${other.keyId}`, {
      credential: other.key,
    });
    expect(untouched.body).toMatchObject({ name: 'Initial Admin Key', is_active: true });
  });
});

describe('last_used', () => {
  it('is written soon after a use, once a minute', async () => {
    const { key, keyId } = await service.organization();
    const begunAt = Date.now();
    const read = async () =>
      (await service.call<ApiKey>('GET', `/api-keys/${keyId}`, { credential: key })).body.last_used;
    const first = await eventually(read);
    expect(Date.parse(first!)).toBeGreaterThanOrEqual(begunAt - 1000);
    expect(Date.parse(first!)).toBeLessThanOrEqual(Date.now());
    await service.context.get(LastUsed).step();
    expect(await read()).toBe(first);
  });
});

describe('a key with an end', () => {
  it('stops when it comes', async () => {
    const { id } = await service.organization();
    const use = async (credential: string) =>
      (await service.call('GET', '/organizations', { credential })).status;
    /** A key that was used before its end: a later one if this machine took too long for that. */
    const used = async (lifeMs: number): Promise<{ key: string; endsAt: number }> => {
      const endsAt = Date.now() + lifeMs;
      const { key } = await service.key(id, { expires_at: new Date(endsAt).toISOString() });
      const status = await use(key);
      if (status === 401 && Date.now() >= endsAt) return used(2 * lifeMs);
      expect(status).toBe(200);
      return { key, endsAt };
    };
    const { key, endsAt } = await used(1500);
    await eventually(async () => expect(await use(key)).toBe(401));
    expect(Date.now()).toBeGreaterThanOrEqual(endsAt);
    const login = await service.call('POST', '/auth/login', { body: { api_key: key } });
    expect(login.status).toBe(401);
  });
});
