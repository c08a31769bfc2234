import type { CreatedOrganization, Organization, OrganizationSummary } from '@spooled/contracts';
import { ADMIN_KEY, freshSlug, TestService } from './setup.js';

const unknownId = '01970000-0000-7000-8000-000000000000';
let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(async () => {
  await service.stop();
});

describe('POST /organizations', () => {
  it('makes a free organization and shows its first key once', async () => {
    const slug = freshSlug();
    const { status, body } = await service.call<CreatedOrganization>('POST', '/organizations', {
      body: { name: 'Acme', slug, billing_email: 'Owner@Acme.example' },
    });
    expect(status).toBe(201);
    expect(body.organization).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'Acme',
      slug,
      plan_tier: 'free',
      billing_email: 'Owner@Acme.example',
      settings: { webhook_token: expect.stringMatching(/^whk_[A-Za-z0-9_-]{32}$/) },
      custom_limits: null,
      stripe_customer_id: null,
      stripe_subscription_id: null,
      stripe_subscription_status: null,
      stripe_current_period_end: null,
      stripe_cancel_at_period_end: null,
      created_at: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/),
      updated_at: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/),
    });
    expect(body.api_key).toEqual({
      id: expect.any(String),
      key: expect.stringMatching(/^sp_test_[A-Za-z0-9_-]{43}$/),
      name: 'Initial Admin Key',
      created_at: expect.any(String),
    });
  });

  it('ignores a stale credential', async () => {
    const { status } = await service.call('POST', '/organizations', {
      body: { name: 'Acme', slug: freshSlug() },
      credential: 'sp_test_of_yesterday',
    });
    expect(status).toBe(201);
  });

  it.each([
    ['no body', undefined, 'VALIDATION_ERROR'],
    ['an array', [], 'VALIDATION_ERROR'],
    ['no name', { slug: 'fine' }, 'VALIDATION_ERROR'],
    ['no slug', { name: 'Fine' }, 'VALIDATION_ERROR'],
    ['a name of two characters', { name: 'ab', slug: 'fine' }, 'VALIDATION_ERROR'],
    ['a name of 101 characters', { name: 'a'.repeat(101), slug: 'fine' }, 'VALIDATION_ERROR'],
    ['a name that is a number', { name: 123, slug: 'fine' }, 'VALIDATION_ERROR'],
    ['a NUL in the name', { name: 'a\u0000bc', slug: 'fine' }, 'VALIDATION_ERROR'],
    ['an empty slug', { name: 'Fine', slug: '' }, 'VALIDATION_ERROR'],
    ['a slug of 101 characters', { name: 'Fine', slug: 'a'.repeat(101) }, 'VALIDATION_ERROR'],
    ['a slug with capitals', { name: 'Fine', slug: 'Fine' }, 'VALIDATION_ERROR'],
    ['a slug that begins with a hyphen', { name: 'Fine', slug: '-fine' }, 'VALIDATION_ERROR'],
    ['a slug that ends with a hyphen', { name: 'Fine', slug: 'fine-' }, 'VALIDATION_ERROR'],
    ['a slug with a dot', { name: 'Fine', slug: 'fi.ne' }, 'VALIDATION_ERROR'],
    ['a slug with a line end', { name: 'Fine', slug: 'fine\n' }, 'VALIDATION_ERROR'],
    ['a reserved slug', { name: 'Fine', slug: 'dashboard' }, 'VALIDATION_ERROR'],
    ['no address', { name: 'Fine', slug: 'fine', billing_email: 'fine' }, 'VALIDATION_ERROR'],
  ])('refuses %s', async (_what, body, code) => {
    const answer = await service.call('POST', '/organizations', { body });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ code, message: expect.any(String) });
  });

  it('names the refused field', async () => {
    const { body } = await service.call('POST', '/organizations', {
      body: { name: 'Fine', slug: 'admin' },
    });
    expect(body).toEqual({
      code: 'VALIDATION_ERROR',
      error: 'Validation failed',
      message: 'slug: is reserved',
      details: [{ field: 'slug', message: 'is reserved', code: expect.any(String) }],
    });
  });

  it('refuses JSON that is none', async () => {
    const { status, body } = await service.call('POST', '/organizations', { rawBody: '{"name":' });
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'INVALID_JSON' });
  });

  it('gives a slug to one of many who want it at once, and half an organization to none', async () => {
    const slug = freshSlug();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        service.call('POST', '/organizations', { body: { name: 'Wanted', slug } }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
    const lost = answers.find(({ status }) => status === 409);
    expect(lost?.body).toMatchObject({ code: 'CONFLICT', message: 'Slug is already in use' });
  });

  it('knows an address whatever its case', async () => {
    const local = freshSlug();
    const first = { name: 'First', slug: freshSlug(), billing_email: `${local}@x.example` };
    const second = {
      name: 'Second',
      slug: freshSlug(),
      billing_email: `${local.toUpperCase()}@X.example`,
    };
    expect((await service.call('POST', '/organizations', { body: first })).status).toBe(201);
    const { status, body } = await service.call('POST', '/organizations', { body: second });
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'CONFLICT', message: 'Billing email is already in use' });
  });
});

describe('GET /organizations', () => {
  it('lists the own one, and no other', async () => {
    const own = await service.organization();
    await service.organization();
    const { status, body } = await service.call<OrganizationSummary[]>('GET', '/organizations', {
      credential: own.key,
    });
    expect(status).toBe(200);
    expect(body).toEqual([
      {
        id: own.id,
        name: 'Test organization',
        slug: own.slug,
        plan_tier: 'pro',
        created_at: expect.any(String),
      },
    ]);
  });
});

describe('GET /organizations/:id', () => {
  it('shows the own one whole to a full key', async () => {
    const { id, key } = await service.organization();
    const { status, body } = await service.call<Organization>('GET', `/organizations/${id}`, {
      credential: key,
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ id, settings: { webhook_token: expect.any(String) } });
  });

  it('hides the webhook token from a scoped key', async () => {
    const { id } = await service.organization();
    const { key } = await service.key(id, { queues: ['emails'] });
    const { status, body, text } = await service.call<Organization>('GET', `/organizations/${id}`, {
      credential: key,
    });
    expect(status).toBe(200);
    expect(body.settings).toEqual({});
    expect(text).not.toContain('whk_');
  });

  it('does not know the organization of someone else, nor what is no id', async () => {
    const { key } = await service.organization();
    const other = await service.organization();
    for (const id of [other.id, unknownId, 'demo', '%00', "'; drop table auth.organization; --"]) {
      const { status, body } = await service.call(
        'GET',
        `/organizations/${id === '%00' ? id : encodeURIComponent(id)}`,
        { credential: key },
      );
      expect([id, status]).toEqual([id, 404]);
      expect(body).toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  it('says how much of the rate is left', async () => {
    const { id, key } = await service.organization();
    const askedAt = Date.now();
    const { headers } = await service.call('GET', `/organizations/${id}`, { credential: key });
    expect(headers.get('x-ratelimit-limit')).toBe('200');
    expect(Number(headers.get('x-ratelimit-remaining'))).toBeLessThan(200);
    expect(Number(headers.get('x-ratelimit-reset'))).toBeGreaterThan(askedAt / 1000 - 5);
  });
});

describe('the admin routes', () => {
  it('make an organization on any plan', async () => {
    const { status, body } = await service.call<CreatedOrganization>(
      'POST',
      '/admin/organizations',
      { body: { name: 'Big', slug: freshSlug(), plan_tier: 'enterprise' }, adminKey: ADMIN_KEY },
    );
    expect(status).toBe(201);
    expect(body.organization.plan_tier).toBe('enterprise');
    expect(body.api_key.key).toMatch(/^sp_test_/);
  });

  it('change what they name and keep the rest', async () => {
    const { id, key } = await service.organization('free');
    const before = (
      await service.call<Organization>('GET', `/organizations/${id}`, { credential: key })
    ).body;
    const { status, body } = await service.call<Organization>(
      'PATCH',
      `/admin/organizations/${id}`,
      {
        body: {
          plan_tier: 'starter',
          custom_limits: { max_queues: 3, max_workers: null },
          settings: { colour: 'blue' },
        },
        adminKey: ADMIN_KEY,
      },
    );
    expect(status).toBe(200);
    expect(body).toEqual({
      ...before,
      plan_tier: 'starter',
      custom_limits: { max_queues: 3, max_workers: null },
      settings: { webhook_token: before.settings['webhook_token'], colour: 'blue' },
      updated_at: expect.any(String),
    });
  });

  it('clear custom limits and the address with null', async () => {
    const { id } = await service.organization();
    const change = (body: object) =>
      service.call<Organization>('PATCH', `/admin/organizations/${id}`, {
        body,
        adminKey: ADMIN_KEY,
      });
    const address = `${freshSlug()}@x.example`;
    expect(
      (await change({ custom_limits: { max_queues: 1 }, billing_email: address })).body,
    ).toMatchObject({ custom_limits: { max_queues: 1 }, billing_email: address });
    expect((await change({})).body).toMatchObject({
      custom_limits: { max_queues: 1 },
      billing_email: address,
    });
    expect((await change({ custom_limits: null, billing_email: null })).body).toMatchObject({
      custom_limits: null,
      billing_email: null,
    });
  });

  it('refuse an address that another organization has', async () => {
    const billing_email = `${freshSlug()}@x.example`;
    await service.call('POST', '/organizations', {
      body: { name: 'Holder', slug: freshSlug(), billing_email },
    });
    const { id } = await service.organization();
    const { status, body } = await service.call('PATCH', `/admin/organizations/${id}`, {
      body: { billing_email },
      adminKey: ADMIN_KEY,
    });
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'CONFLICT' });
  });

  it.each([
    ['an unknown tier', { plan_tier: 'platinum' }],
    ['the tier of deleted organizations', { plan_tier: 'deleted' }],
    ['limits that are a list', { custom_limits: [] }],
    ['a limit that is text', { custom_limits: { max_queues: 'many' } }],
    ['a negative limit', { custom_limits: { max_queues: -1 } }],
    ['a rate of zero', { custom_limits: { rate_limit_requests_per_second: 0 } }],
    ['settings that are a list', { settings: [] }],
    ['settings that are text', { settings: 'blue' }],
    ['settings over 64 KiB', { settings: { text: 'a'.repeat(65_536) } }],
  ])('refuse %s', async (_what, body) => {
    const { id } = await service.organization();
    const answer = await service.call('PATCH', `/admin/organizations/${id}`, {
      body,
      adminKey: ADMIN_KEY,
    });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ code: 'VALIDATION_ERROR' });
  });

  it('do not know an organization that is not there', async () => {
    for (const id of [unknownId, 'demo']) {
      const options = { body: { name: 'Key' }, adminKey: ADMIN_KEY };
      const patched = await service.call('PATCH', `/admin/organizations/${id}`, options);
      const keyed = await service.call('POST', `/admin/organizations/${id}/api-keys`, {
        ...options,
        body: { name: 'Key' },
      });
      expect([patched.status, keyed.status]).toEqual([404, 404]);
    }
  });

  it('make a key for an organization, within its plan', async () => {
    const { id } = await service.organization('free');
    const make = () =>
      service.call('POST', `/admin/organizations/${id}/api-keys`, {
        body: { name: 'From above', queues: ['emails'] },
        adminKey: ADMIN_KEY,
      });
    const { status, body } = await make();
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(String),
      key: expect.stringMatching(/^sp_test_/),
      name: 'From above',
      created_at: expect.any(String),
    });
    expect((await make()).status).toBe(429);
  });

  it('show the plan table', async () => {
    const { status, body } = await service.call<{ tier: string }[]>('GET', '/admin/plans', {
      adminKey: ADMIN_KEY,
    });
    expect(status).toBe(200);
    expect(body.map(({ tier }) => tier)).toEqual(['free', 'starter', 'pro', 'enterprise']);
    expect(body[0]).toMatchObject({ display_name: 'Free', max_api_keys: 2, max_workflows: 0 });
  });
});
