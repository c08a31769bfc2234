import {
  authChanged,
  authRpc,
  jobsRpc,
  plans,
  schedulesRpc,
  workersRpc,
  type AdminOrganization,
  type AdminOrganizationList,
  type CreatedOrganization,
  type IssuedKey,
  type PlanLimits,
  type PlatformStats,
} from '@spooled/contracts';
import { Database, sql } from '@spooled/postgres';
import { awayFromMidnight, eventually } from '@spooled/testing';
import { Peers } from './peers.js';
import { ADMIN_KEY, freshSlug, TestService, type CallOptions } from './setup.js';

const unknownId = '01970000-0000-7000-8000-000000000000';
const jobsOfPlatform = { pending: 3, processing: 2, active: 6, completed24h: 40, failed24h: 1 };
const workersOfPlatform = { total: 4, healthy: 2, degraded: 1 };
let service: TestService;
let peers: Peers;

beforeAll(async () => {
  service = await TestService.start();
  await service.shutDown();
  // Each call comes from an address of its own: the admin routes allow 60 a minute for one.
  await service.boot({ TRUSTED_PROXIES: 'loopback' });
  peers = await Peers.join(service);
  await peers.countActive({ jobs: 4, workers: 1, schedules: 1 });
  await peers.forget({ jobs: () => ({ isDone: true }) });
  await peers.answer(jobsRpc.usages, ({ organizationIds }) => ({
    organizations: organizationIds.map((organizationId) => ({
      organizationId,
      jobsToday: 7,
      activeJobs: 4,
      queues: 2,
      totalJobs: 90,
    })),
  }));
  await peers.answer(workersRpc.usages, ({ organizationIds }) => ({
    organizations: organizationIds.map((organizationId) => ({ organizationId, workers: 1 })),
  }));
  await peers.answer(jobsRpc.platform, () => jobsOfPlatform);
  await peers.answer(workersRpc.platform, () => workersOfPlatform);
  await peers.answer(jobsRpc.resetUsage, () => ({}));
});

afterAll(async () => {
  await peers.leave();
  await service.stop();
});

let calls = 0;
function admin<T = Record<string, unknown>>(method: string, path: string, body?: unknown) {
  calls += 1;
  const headers = { 'x-forwarded-for': `10.0.${Math.floor(calls / 250)}.${(calls % 250) + 1}` };
  const options: CallOptions = { adminKey: ADMIN_KEY, headers, body };
  return service.call<T>(method, `/admin${path}`, options);
}

describe('every admin route', () => {
  const routes = [
    ['GET', '/organizations'],
    ['POST', '/organizations'],
    ['GET', `/organizations/${unknownId}`],
    ['PATCH', `/organizations/${unknownId}`],
    ['DELETE', `/organizations/${unknownId}`],
    ['POST', `/organizations/${unknownId}/api-keys`],
    ['POST', `/organizations/${unknownId}/reset-usage`],
    ['GET', '/stats'],
    ['GET', '/plans'],
  ] as const;

  it.each(routes)('%s %s is closed to everyone else', async (method, path) => {
    const { key } = await service.organization('enterprise');
    for (const options of [{}, { credential: key }, { adminKey: 'wrong' }, { adminKey: key }]) {
      const { status, body } = await service.call(method, `/admin${path}`, options);
      expect([status, body['code']]).toEqual([401, 'UNAUTHORIZED']);
    }
  });

  it.each(routes.filter(([, path]) => path.includes(unknownId)))(
    '%s %s does not know that organization',
    async (method, path) => {
      const body = { name: 'Valid' };
      for (const each of [path, path.replace(unknownId, 'demo')]) {
        const answer = await admin(method, each, method === 'GET' ? undefined : body);
        expect([each, answer.status, answer.body['code']]).toEqual([each, 404, 'NOT_FOUND']);
      }
    },
  );
});

describe('GET /admin/organizations', () => {
  const list = async (query: string) => {
    const { status, body } = await admin<AdminOrganizationList>('GET', `/organizations${query}`);
    expect(status).toBe(200);
    return body;
  };

  it('lists organizations with what they use', async () => {
    const { id, slug } = await service.organization('starter');
    const { organizations, ...page } = await list(`?search=${slug}`);
    expect(page).toEqual({ total: 1, limit: 50, offset: 0 });
    expect(organizations).toEqual([
      {
        id,
        name: 'Test organization',
        slug,
        plan_tier: 'starter',
        billing_email: null,
        created_at: expect.any(String),
        updated_at: expect.any(String),
        usage: { jobs_today: 7, active_jobs: 4, queues: 2, workers: 1, api_keys: 1 },
      },
    ]);
  });

  it('finds a part of the name or the slug, in any case, and nothing by pattern', async () => {
    const word = freshSlug();
    const make = (name: string, slug: string) =>
      admin('POST', '/organizations', { name, slug, plan_tier: 'pro' });
    await make(`The ${word.toUpperCase()} Company`, freshSlug());
    await make('Other', `x-${word}-y`);
    const found = await list(`?search=${word.slice(1)}`);
    expect(found.total).toBe(2);
    expect((await list(`?search=${word.replace('-', '_')}`)).total).toBe(0);
    expect((await list(`?search=${word}%25`)).total).toBe(0);
    expect((await list(`?search=${word}&plan_tier=free`)).total).toBe(0);
    expect((await list(`?search=${word}&plan_tier=pro`)).total).toBe(2);
  });

  it('sorts and pages', async () => {
    const word = freshSlug();
    for (const [name, plan_tier] of [
      ['Beta', 'pro'],
      ['alpha', 'free'],
      ['Gamma', 'enterprise'],
    ] as const) {
      await admin('POST', '/organizations', {
        name,
        slug: `${word}-${name.toLowerCase()}`,
        plan_tier,
      });
    }
    const names = async (query: string) =>
      (await list(`?search=${word}${query}`)).organizations.map(({ name }) => name);
    expect(await names('')).toEqual(['Gamma', 'alpha', 'Beta']);
    expect(await names('&sort_order=asc')).toEqual(['Beta', 'alpha', 'Gamma']);
    expect(await names('&sort_by=name&sort_order=asc')).toEqual(['alpha', 'Beta', 'Gamma']);
    expect(await names('&sort_by=slug')).toEqual(['Gamma', 'Beta', 'alpha']);
    expect(await names('&sort_by=plan_tier&sort_order=asc')).toEqual(['Gamma', 'alpha', 'Beta']);
    expect(await names('&sort_by=updated_at')).toEqual(['Gamma', 'alpha', 'Beta']);
    const page = await list(`?search=${word}&limit=1&offset=1`);
    expect(page).toMatchObject({ total: 3, limit: 1, offset: 1 });
    expect(page.organizations.map(({ name }) => name)).toEqual(['alpha']);
    expect(await list('?limit=1000&offset=-1')).toMatchObject({ limit: 100, offset: 0 });
  });

  it.each(['?sort_by=id', '?sort_order=up', '?plan_tier=gold', '?limit=x'])(
    'refuses %s',
    async (query) => {
      expect((await admin('GET', `/organizations${query}`)).status).toBe(400);
    },
  );
});

describe('POST /admin/organizations', () => {
  it('makes an organization on any plan while registration is closed', async () => {
    const slug = freshSlug();
    const { status, body } = await admin<CreatedOrganization>('POST', '/organizations', {
      name: 'Big',
      slug,
      plan_tier: 'enterprise',
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      organization: { slug, plan_tier: 'enterprise' },
      api_key: { name: 'Initial Admin Key', key: expect.stringMatching(/^sp_test_/) },
    });
  });
});

describe('GET /admin/organizations/:id', () => {
  it('reads everything of it', async () => {
    const { id, slug } = await service.organization('starter');
    await admin('PATCH', `/organizations/${id}`, { custom_limits: { max_queues: 4 } });
    const { status, body } = await admin<AdminOrganization>('GET', `/organizations/${id}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id,
      name: 'Test organization',
      slug,
      plan_tier: 'starter',
      billing_email: null,
      settings: { webhook_token: expect.any(String) },
      custom_limits: { max_queues: 4 },
      usage_info: {
        plan: 'starter',
        limits: { max_queues: 4, max_workers: 5 },
        usage: { active_jobs: { current: 4, limit: 500 }, api_keys: { current: 1, limit: 5 } },
      },
      api_keys_count: 1,
      total_jobs: 90,
    });
  });
});

describe('PATCH /admin/organizations/:id', () => {
  it('holds from the next request on', async () => {
    const { id, key } = await service.organization('free');
    const limitOf = async () => {
      const { headers } = await service.call('GET', '/organizations', { credential: key });
      return headers.get('x-ratelimit-limit');
    };
    expect(await limitOf()).toBe('10');
    await admin('PATCH', `/organizations/${id}`, { plan_tier: 'pro' });
    await eventually(async () => expect(await limitOf()).toBe('200'));
  });

  it.each([{ plan_tier: 'gold' }, { plan_tier: 'deleted' }, { custom_limits: [1] }])(
    'refuses %j',
    async (body) => {
      const { id } = await service.organization();
      expect((await admin('PATCH', `/organizations/${id}`, body)).status).toBe(400);
    },
  );
});

describe('POST /admin/organizations/:id/api-keys', () => {
  it('makes a key for the queues it names', async () => {
    const { id } = await service.organization();
    const { status, body } = await admin<IssuedKey>('POST', `/organizations/${id}/api-keys`, {
      name: 'Support',
      queues: ['emails'],
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(String),
      key: expect.stringMatching(/^sp_test_/),
      name: 'Support',
      created_at: expect.any(String),
    });
    const { principal } = await peers.bus.request(authRpc.resolve, { credential: body.key });
    expect(principal).toMatchObject({ organizationId: id, queues: ['emails'] });
  });
});

describe('POST /admin/organizations/:id/reset-usage', () => {
  it('has the owner of the counter do it, as the administrator', async () => {
    const { id } = await service.organization();
    expect((await admin('POST', `/organizations/${id}/reset-usage`)).status).toBe(204);
    expect(peers.asked).toContainEqual({
      subject: jobsRpc.resetUsage.subject,
      question: { organizationId: id, actor: { type: 'admin' } },
    });
  });
});

describe('DELETE /admin/organizations/:id', () => {
  const changed: string[] = [];
  beforeAll(async () => {
    peers.bus.onHint(authChanged, ({ apiKeyId }, organizationId) => {
      if (apiKeyId === null) changed.push(organizationId);
    });
    await peers.bus.connection.flush();
  });

  it.each([
    ['softly', ''],
    ['with everything', '?hard_delete=true'],
  ])(
    '%s: ends every credential, and says so to whoever holds streams open',
    async (_how, query) => {
      const { id, slug, key, keyId } = await service.organization();
      const { access_token: token } = await service.login(key);
      expect((await admin('DELETE', `/organizations/${id}${query}`)).status).toBe(204);
      for (const credential of [key, token]) {
        expect((await service.call('GET', '/organizations', { credential })).status).toBe(401);
      }
      const question = { organizationId: id, apiKeyId: keyId, token: null };
      expect(await peers.bus.request(authRpc.check, question)).toEqual({ principal: null });
      expect(await peers.bus.request(authRpc.plans, { organizationIds: [id] })).toEqual({
        organizations: [],
      });
      await eventually(() => expect(changed).toContain(id));
      const again = { name: 'Again', slug };
      expect((await service.call('POST', '/organizations', { body: again })).status).toBe(201);
    },
  );

  it('softly: keeps the data, shows it to the administrator, and is not done twice', async () => {
    const { id, slug } = await service.organization();
    await admin('DELETE', `/organizations/${id}`);
    const { body } = await admin<AdminOrganization>('GET', `/organizations/${id}`);
    expect(body).toMatchObject({ id, plan_tier: 'deleted', api_keys_count: 0 });
    const search = async (query: string) =>
      (await admin<AdminOrganizationList>('GET', `/organizations?search=${slug}${query}`)).body;
    expect((await search('')).total).toBe(0);
    expect((await search('&plan_tier=deleted')).total).toBe(1);
    expect((await admin('DELETE', `/organizations/${id}`)).status).toBe(404);
    expect((await admin('PATCH', `/organizations/${id}`, { plan_tier: 'pro' })).status).toBe(404);
    expect(peers.organizationsOf(schedulesRpc.forgetOrganization)).not.toContain(id);
  });

  it('with everything: also what is at work or was deleted softly; every service forgets it', async () => {
    const [busy, deleted] = [await service.organization(), await service.organization()];
    await admin('DELETE', `/organizations/${deleted.id}`);
    for (const { id } of [busy, deleted]) {
      const path = `/organizations/${id}`;
      expect((await admin('DELETE', `${path}?hard_delete=true`)).status).toBe(204);
      expect((await admin('GET', path)).status).toBe(404);
      await eventually(() => {
        expect(peers.organizationsOf(jobsRpc.forgetOrganization)).toContain(id);
      });
    }
  });

  it('leaves its trail', async () => {
    const { id, slug } = await service.organization();
    await admin('DELETE', `/organizations/${id}`);
    await admin('DELETE', `/organizations/${id}?hard_delete=true`);
    const rows = await service.context
      .get(Database)
      .query<{ actor_type: string; details: unknown }>([id], deletions);
    expect(rows).toEqual([
      { actor_type: 'admin', details: { slug, kind: 'soft' } },
      { actor_type: 'admin', details: { slug, kind: 'hard' } },
    ]);
  });
});

const deletions = sql(
  'test.deletions',
  `select actor_type, details from audit.entry where action = 'organization.deleted' order by id`,
);

describe('GET /admin/stats', () => {
  beforeEach(awayFromMidnight);
  const stats = async () => {
    const { status, body } = await admin<PlatformStats>('GET', '/stats');
    expect(status).toBe(200);
    return body;
  };

  it('counts what lives, by plan and by age, and adds what the other services count', async () => {
    const before = await stats();
    await service.organization('starter');
    const old = await service.organization('starter');
    const deleted = await service.organization('pro');
    await admin('DELETE', `/organizations/${deleted.id}`);
    await service.context
      .get(Database)
      .query([old.id], sql('test.age', `update auth.organization set created_at = '2020-01-01'`));
    const after = await stats();
    const countOf = ({ organizations }: PlatformStats, plan: string) =>
      organizations.by_plan.find((each) => each.plan === plan)?.count;
    expect(after).toEqual({
      organizations: {
        total: before.organizations.total + 2,
        by_plan: expect.any(Array),
        created_today: before.organizations.created_today + 1,
        created_this_week: before.organizations.created_this_week + 1,
      },
      jobs: { total_active: 6, pending: 3, processing: 2, completed_24h: 40, failed_24h: 1 },
      workers: workersOfPlatform,
      system: { api_version: '1', uptime_seconds: expect.any(Number) },
    });
    expect(after.organizations.by_plan.map(({ plan }) => plan)).toEqual(Object.keys(plans));
    expect(countOf(after, 'starter')).toBe(countOf(before, 'starter')! + 2);
    expect(countOf(after, 'pro')).toBe(countOf(before, 'pro'));
  });
});

describe('GET /admin/plans', () => {
  it('reads the four rows of the plan table', async () => {
    const { status, body } = await admin<PlanLimits[]>('GET', '/plans');
    expect(status).toBe(200);
    expect(body).toEqual([plans.free, plans.starter, plans.pro, plans.enterprise]);
  });
});

describe('without the other services', () => {
  it('nothing is counted, rather than counted as none', async () => {
    await service.shutDown();
    await peers.leave();
    await service.boot({ TRUSTED_PROXIES: 'loopback' });
    const { id } = await service.organization();
    for (const path of ['/organizations', `/organizations/${id}`, '/stats']) {
      const { status, body } = await admin('GET', path);
      expect([path, status, body['code']]).toEqual([path, 503, 'SERVICE_UNAVAILABLE']);
    }
    peers = await Peers.join(service);
  });
});
