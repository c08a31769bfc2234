import {
  AppError,
  authRpc,
  jobsRpc,
  plans,
  schedulesRpc,
  webhooksRpc,
  workersRpc,
  type Member,
  type Organization,
  type WebhookToken,
} from '@spooled/contracts';
import { Database, sql } from '@spooled/postgres';
import { eventually } from '@spooled/testing';
import { RemovalFinisher } from '../src/maintenance/removal-finisher.js';
import { Peers } from './peers.js';
import { ADMIN_KEY, freshSlug, TestService } from './setup.js';

const unknownId = '01970000-0000-7000-8000-000000000000';
let service: TestService;
let peers: Peers;
const forgetting = { jobs: () => ({ isDone: true }) };
const active = { jobs: 0, workers: 0, schedules: 0 };

beforeAll(async () => {
  service = await TestService.start();
  peers = await Peers.join(service);
  await peers.countActive(active);
  await peers.forget(forgetting);
});

afterAll(async () => {
  await peers.leave();
  await service.stop();
});

beforeEach(() => {
  Object.assign(active, { jobs: 0, workers: 0, schedules: 0 });
});

describe('PUT /organizations/:id', () => {
  const change = (id: string, credential: string, body?: object) =>
    service.call<Organization>('PUT', `/organizations/${id}`, { credential, body });

  it('changes what is named and keeps the rest', async () => {
    const { id, key } = await service.organization();
    const before = (await change(id, key)).body;
    const billing_email = `${freshSlug()}@x.example`;
    const { status, body } = await change(id, key, { name: 'Renamed', billing_email });
    expect(status).toBe(200);
    expect(body).toEqual({
      ...before,
      name: 'Renamed',
      billing_email,
      updated_at: body.updated_at,
    });
    expect(body.updated_at > before.updated_at).toBe(true);
  });

  it('replaces the settings but keeps the webhook token, and keeps what the dashboard shows in them', async () => {
    const { id, key } = await service.organization();
    const token = (await change(id, key)).body.settings['webhook_token'];
    expect((await change(id, key, { settings: { a: 1 } })).body.settings).toEqual({
      webhook_token: token,
      a: 1,
    });
    const shown = { description: 'We do things', logo_url: 'https://x.example/logo.png' };
    expect((await change(id, key, { settings: { b: [2] }, ...shown })).body.settings).toEqual({
      webhook_token: token,
      b: [2],
      ...shown,
    });
    expect((await change(id, key, { description: 'Other things' })).body.settings).toEqual({
      webhook_token: token,
      b: [2],
      ...shown,
      description: 'Other things',
    });
  });

  it('gives up an address with null', async () => {
    const { id, key } = await service.organization();
    await change(id, key, { billing_email: `${freshSlug()}@x.example` });
    expect((await change(id, key, { billing_email: null })).body.billing_email).toBeNull();
  });

  it('refuses an address that another organization has, whatever its case', async () => {
    const first = await service.organization();
    const second = await service.organization();
    const address = `${freshSlug()}@x.example`;
    await change(first.id, first.key, { billing_email: address });
    const { status, body } = await change(second.id, second.key, {
      billing_email: address.toUpperCase(),
    });
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'CONFLICT' });
  });

  it('cannot change the plan', async () => {
    const { id, key } = await service.organization('free');
    const { status, body } = await change(id, key, { plan_tier: 'enterprise', custom_limits: {} });
    expect(status).toBe(200);
    expect(body).toMatchObject({ plan_tier: 'free', custom_limits: null });
  });

  it.each([
    ['a short name', { name: 'ab' }],
    ['no address', { billing_email: 'x' }],
    ['settings that are no object', { settings: [1] }],
    ['settings that are text', { settings: 'x' }],
    ['settings over 64 KiB', { settings: { a: 'x'.repeat(65_536) } }],
    ['a webhook token that is easily guessed', { settings: { webhook_token: 'x' } }],
    ['an empty secret', { settings: { github_webhook_secret: '' } }],
  ])('refuses %s', async (_what, body) => {
    const { id, key } = await service.organization();
    const answer = await change(id, key, body);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ code: 'VALIDATION_ERROR' });
  });

  it('is for full keys of the organization only', async () => {
    const own = await service.organization();
    const other = await service.organization();
    const scoped = await service.key(own.id, { queues: ['emails'] });
    expect((await change(own.id, scoped.key, { name: 'Mine' })).status).toBe(403);
    expect((await change(own.id, other.key, { name: 'Mine' })).status).toBe(404);
    expect((await change(unknownId, own.key, { name: 'Mine' })).status).toBe(404);
    expect((await change('demo', own.key, { name: 'Mine' })).status).toBe(404);
  });
});

describe('the secrets of webhook ingestion', () => {
  it('are hidden from a scoped key', async () => {
    const { id, key } = await service.organization();
    const settings = { github_webhook_secret: 'gh', stripe_webhook_secret: 'st', colour: 'blue' };
    await service.call('PUT', `/organizations/${id}`, { credential: key, body: { settings } });
    const scoped = await service.key(id, { queues: ['emails'] });
    const { body } = await service.call<Organization>('GET', `/organizations/${id}`, {
      credential: scoped.key,
    });
    expect(body.settings).toEqual({ colour: 'blue' });
  });

  it('are told to the service of webhooks, with the plan', async () => {
    const { id, key } = await service.organization('starter');
    const ask = (organizationId: string) =>
      peers.bus.request(authRpc.ingestion, { organizationId });
    const token = await service.call<WebhookToken>('GET', '/organizations/webhook-token', {
      credential: key,
    });
    const known = { plan: plans.starter, webhookToken: token.body.token };
    expect(await ask(id)).toEqual({
      organization: { ...known, githubSecret: null, stripeSecret: null },
    });
    const settings = { github_webhook_secret: 'gh', stripe_webhook_secret: 'st' };
    await service.call('PUT', `/organizations/${id}`, { credential: key, body: { settings } });
    expect(await ask(id)).toEqual({
      organization: { ...known, githubSecret: 'gh', stripeSecret: 'st' },
    });
    expect(await ask(unknownId)).toEqual({ organization: null });
  });
});

describe('GET /organizations/:id/members', () => {
  const members = (id: string, credential: string) =>
    service.call<Member[]>('GET', `/organizations/${id}/members`, { credential });

  it('lists who holds an active key: owners of every queue, members of some', async () => {
    const { id, key, keyId } = await service.organization();
    const billing_email = `${freshSlug()}@x.example`;
    await service.call('PUT', `/organizations/${id}`, { credential: key, body: { billing_email } });
    const scoped = await service.key(id, { queues: ['emails'] });
    const revoked = await service.key(id);
    await service.call('DELETE', `/api-keys/${revoked.id}`, { credential: key });
    const { status, body } = await members(id, key);
    expect(status).toBe(200);
    expect(body).toEqual([
      {
        id: keyId,
        user_id: keyId,
        email: billing_email,
        name: 'Initial Admin Key',
        role: 'owner',
        joined_at: expect.any(String),
      },
      {
        id: scoped.id,
        user_id: scoped.id,
        email: null,
        name: 'Another',
        role: 'member',
        joined_at: expect.any(String),
      },
    ]);
    const one = await service.call<Member>('GET', `/organizations/${id}/members/${scoped.id}`, {
      credential: key,
    });
    expect(one.body).toEqual(body[1]);
  });

  it('is for full keys of the organization only', async () => {
    const own = await service.organization();
    const other = await service.organization();
    const scoped = await service.key(own.id, { queues: ['emails'] });
    expect((await members(own.id, scoped.key)).status).toBe(403);
    expect((await members(own.id, other.key)).status).toBe(404);
  });

  it('cannot be added to or removed from', async () => {
    const { id, key, keyId } = await service.organization();
    for (const [method, path] of [
      ['POST', '/members'],
      ['POST', '/members/invite'],
      ['DELETE', `/members/${keyId}`],
    ] as const) {
      const { status, body } = await service.call(method, `/organizations/${id}${path}`, {
        credential: key,
      });
      expect([path, status]).toEqual([path, 405]);
      expect(body).toMatchObject({ code: 'METHOD_NOT_ALLOWED' });
    }
  });
});

describe('the webhook token', () => {
  it('is read under both names, with the address to use it at', async () => {
    const { id, key } = await service.organization();
    const { status, body } = await service.call<WebhookToken>(
      'GET',
      '/organizations/webhook-token',
      { credential: key, headers: { host: 'queue.example.com' } },
    );
    expect(status).toBe(200);
    expect(body).toEqual({
      webhook_token: expect.stringMatching(/^whk_[A-Za-z0-9_-]{32}$/),
      token: body.webhook_token,
      webhook_url: expect.stringMatching(new RegExp(`^http://[^/]+/api/v1/webhooks/${id}/custom$`)),
    });
  });

  it('is replaced at once, and the settings keep the rest', async () => {
    const { id, key } = await service.organization();
    await service.call('PUT', `/organizations/${id}`, {
      credential: key,
      body: { settings: { a: 1 } },
    });
    const read = () =>
      service.call<WebhookToken>('GET', '/organizations/webhook-token', { credential: key });
    const old = (await read()).body.token;
    const regenerated = await service.call<WebhookToken>(
      'POST',
      '/organizations/webhook-token/regenerate',
      { credential: key, rawBody: '' },
    );
    expect(regenerated.status).toBe(200);
    expect(regenerated.body.token).not.toBe(old);
    expect((await read()).body).toEqual(regenerated.body);
    const { organization } = await peers.bus.request(authRpc.ingestion, { organizationId: id });
    expect(organization?.webhookToken).toBe(regenerated.body.token);
    const { body } = await service.call<Organization>('GET', `/organizations/${id}`, {
      credential: key,
    });
    expect(body.settings).toEqual({ a: 1, webhook_token: regenerated.body.token });
  });

  it.each([undefined, {}, { confirm: true }])('cannot be cleared: %j', async (body) => {
    const { key } = await service.organization();
    const answer = await service.call('POST', '/organizations/webhook-token/clear', {
      credential: key,
      body,
    });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ code: 'VALIDATION_ERROR' });
  });

  it('is for full keys only', async () => {
    const { id } = await service.organization();
    const { key } = await service.key(id, { queues: ['emails'] });
    for (const [method, path] of [
      ['GET', ''],
      ['POST', '/regenerate'],
      ['POST', '/clear'],
    ] as const) {
      const { status } = await service.call(method, `/organizations/webhook-token${path}`, {
        credential: key,
      });
      expect([path, status]).toEqual([path, 403]);
    }
  });
});

describe('DELETE /organizations/:id', () => {
  const remove = (id: string, credential: string) =>
    service.call('DELETE', `/organizations/${id}`, { credential });

  it.each(['jobs', 'workers', 'schedules'] as const)('waits for active %s', async (what) => {
    const { id, key } = await service.organization();
    active[what] = 1;
    const { status, body } = await remove(id, key);
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('1 active') });
    active[what] = 0;
    expect((await remove(id, key)).status).toBe(204);
  });

  it('ends every credential at once, gives back slug and address, and makes all services forget', async () => {
    const { id, slug, key } = await service.organization();
    const billing_email = `${freshSlug()}@x.example`;
    await service.call('PUT', `/organizations/${id}`, { credential: key, body: { billing_email } });
    const { access_token: token, refresh_token } = await service.login(key);
    const second = await service.key(id);
    expect((await remove(id, key)).status).toBe(204);
    for (const credential of [key, second.key, token]) {
      expect((await service.call('GET', '/organizations', { credential })).status).toBe(401);
    }
    const refreshed = await service.call('POST', '/auth/refresh', { body: { refresh_token } });
    expect(refreshed.status).toBe(401);
    await eventually(() => {
      for (const { forgetOrganization } of [jobsRpc, workersRpc, schedulesRpc, webhooksRpc]) {
        expect(peers.organizationsOf(forgetOrganization)).toContain(id);
      }
    });
    const again = { name: 'Again', slug, billing_email };
    expect((await service.call('POST', '/organizations', { body: again })).status).toBe(201);
  });

  it('asks a service again that has more to forget, or could not', async () => {
    const { id, key } = await service.organization();
    const dueInSecs = async (): Promise<number> => {
      const [row] = await service.context
        .get(Database)
        .maintenance((tx) => tx.query<{ seconds: number }>(secondsUntilDue, [id]));
      return row!.seconds;
    };
    const asked = (): number =>
      peers.organizationsOf(jobsRpc.forgetOrganization).filter((each) => each === id).length;
    forgetting.jobs = () => {
      if (asked() < 3) return { isDone: false };
      throw new AppError('SERVICE_UNAVAILABLE');
    };
    expect((await remove(id, key)).status).toBe(204);
    await eventually(async () => {
      expect(asked()).toBeGreaterThanOrEqual(3);
      expect(await dueInSecs()).toBeLessThan(60);
    });

    forgetting.jobs = () => ({ isDone: true });
    // Everything is forgotten then, so only the last visit is left.
    const isLeftAlone = async (): Promise<boolean> => (await dueInSecs()) > 13 * 60;
    await eventually(async () => {
      if (await isLeftAlone()) return true;
      await service.context.get(Database).maintenance((tx) => tx.query(makeDue, [id]));
      service.context.get(RemovalFinisher).wake();
      return eventually(isLeftAlone, { timeoutMs: 5000 });
    });
  });

  it('is for full keys of the organization only', async () => {
    const own = await service.organization();
    const other = await service.organization();
    const scoped = await service.key(own.id, { queues: ['emails'] });
    expect((await remove(own.id, scoped.key)).status).toBe(403);
    expect((await remove(own.id, other.key)).status).toBe(404);
    expect((await service.call('GET', '/organizations', { credential: own.key })).status).toBe(200);
  });
});

const makeDue = sql(
  'test.make-due',
  `update auth.removal set next_at = now() where organization_id = $1`,
);
const secondsUntilDue = sql(
  'test.seconds-until-due',
  `select extract(epoch from next_at - now())::float8 as seconds from auth.removal where organization_id = $1`,
);

describe('GET /audit', () => {
  type Entry = { actor_type: string; action: string; [field: string]: unknown };
  const trail = (credential: string, query = '') =>
    service.call<Entry[]>('GET', `/audit${query}`, { credential });

  it('tells what was done by whom, newest first, and no secret', async () => {
    const { id, key, keyId } = await service.organization('free');
    const raw = { credential: key };
    await service.call('PUT', `/organizations/${id}`, {
      ...raw,
      body: { name: 'Renamed', billing_email: `${freshSlug()}@x.example` },
    });
    await service.call('PATCH', `/admin/organizations/${id}`, {
      adminKey: ADMIN_KEY,
      body: { plan_tier: 'pro' },
    });
    const made = await service.call<{ id: string; key: string }>('POST', '/api-keys', {
      ...raw,
      body: { name: 'Second', queues: ['emails'] },
    });
    const path = `/api-keys/${made.body.id}`;
    await service.call('PUT', path, { ...raw, body: { rate_limit: 5 } });
    await service.call('DELETE', path, raw);
    await service.call('POST', '/organizations/webhook-token/regenerate', raw);
    const { status, body, text } = await trail(key);
    expect(status).toBe(200);
    const byKey = { actor_type: 'api_key', actor_id: keyId };
    const bySystem = { actor_type: 'system', actor_id: null };
    expect(body).toMatchObject([
      { ...byKey, action: 'webhook_token.regenerated', target: null, details: {} },
      { ...byKey, action: 'key.revoked', target: made.body.id },
      { ...byKey, action: 'key.updated', target: made.body.id, details: { rate_limit: 5 } },
      { ...byKey, action: 'key.created', details: { name: 'Second', queues: ['emails'] } },
      {
        actor_type: 'admin',
        actor_id: null,
        action: 'plan.changed',
        details: { from: 'free', to: 'pro', custom_limits: null },
      },
      { ...byKey, action: 'organization.updated', details: { fields: ['name', 'billing_email'] } },
      { ...bySystem, action: 'key.created', target: keyId },
      { ...bySystem, action: 'organization.created', details: { plan_tier: 'free' } },
    ]);
    expect(text).not.toMatch(/sp_test_|whk_|@x\.example/);
  });

  it('names what was changed, and nothing that was not', async () => {
    const { id, key } = await service.organization('pro');
    const raw = { credential: key };
    const change = (body: object) => service.call('PUT', `/organizations/${id}`, { ...raw, body });
    await change({ description: 'We do things', settings: { a: 1 } });
    await change({ billing_email: null });
    await change({});
    await change({ name: null, settings: null, description: null });
    await service.call('PATCH', `/admin/organizations/${id}`, {
      adminKey: ADMIN_KEY,
      body: { plan_tier: 'pro' },
    });
    expect((await trail(key)).body.slice(0, -2)).toMatchObject([
      { action: 'organization.updated', details: { fields: ['billing_email'] } },
      { action: 'organization.updated', details: { fields: ['settings', 'description'] } },
    ]);
  });

  it('filters by actor, action and time, and pages', async () => {
    const { id, key, keyId } = await service.organization();
    await service.call('PATCH', `/admin/organizations/${id}`, {
      adminKey: ADMIN_KEY,
      body: { name: 'Renamed' },
    });
    await service.call('POST', '/organizations/webhook-token/regenerate', { credential: key });
    const all = (await trail(key)).body;
    const actions = async (query: string) =>
      (await trail(key, query)).body.map((one) => one.action);
    expect(await actions('?actor=admin')).toEqual(['organization.updated']);
    expect(await actions(`?actor=${keyId}`)).toEqual(['webhook_token.regenerated']);
    expect(await actions('?actor=nobody')).toEqual([]);
    expect(await actions('?action=key.created')).toEqual(['key.created']);
    expect(await actions('?limit=1&offset=1')).toEqual(['organization.updated']);
    const second = String(all[1]!['occurred_at']);
    expect(await actions(`?since=${encodeURIComponent(second)}`)).toHaveLength(2);
    expect(await actions(`?until=${encodeURIComponent(second)}`)).toHaveLength(2);
    expect((await trail(key, '?since=yesterday')).status).toBe(400);
    expect((await trail(key, '?limit=x')).status).toBe(400);
  });

  it("shows nobody else's, and nothing to a scoped key", async () => {
    const own = await service.organization();
    const other = await service.organization();
    const { body } = await trail(other.key);
    expect(body.map((entry) => entry['target'])).not.toContain(own.keyId);
    const scoped = await service.key(own.id, { queues: ['emails'] });
    expect((await trail(scoped.key)).status).toBe(403);
  });
});
