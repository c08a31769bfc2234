import { queueChanged, workersRpc, type Queue, type QueueSummary } from '@spooled/contracts';
import { eventually, Signal } from '@spooled/testing';
import { World, type Tenant } from './setup.js';

let world: World;
const changes = new Signal<string>();
beforeAll(async () => {
  world = await World.setup();
  world.others.onHint(queueChanged, ({ queueName }, organizationId) =>
    changes.fire(`${organizationId} ${queueName}`),
  );
});
afterAll(() => world.stop());

const configure = (tenant: Tenant, name: string, body?: unknown) =>
  tenant.call<Queue>('PUT', `/queues/${name}/config`, body);
const pause = (tenant: Tenant, name: string, body?: unknown) =>
  tenant.call('POST', `/queues/${name}/pause`, body);
const resume = (tenant: Tenant, name: string) => tenant.call('POST', `/queues/${name}/resume`);
const read = (tenant: Tenant, name: string) => tenant.call<Queue>('GET', `/queues/${name}`);
const stats = (tenant: Tenant, name: string) => tenant.call('GET', `/queues/${name}/stats`);

describe('a queue that nobody configured', () => {
  it('exists while it has jobs, with the defaults', async () => {
    const tenant = world.key();
    expect((await read(tenant, 'emails')).status).toBe(404);
    await tenant.enqueue();
    expect((await read(tenant, 'emails')).body).toEqual({
      id: 'implicit:emails',
      organization_id: tenant.organizationId,
      queue_name: 'emails',
      max_retries: 3,
      default_timeout: 300,
      rate_limit: null,
      enabled: true,
      settings: { implicit: true },
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
    expect((await read(world.key(), 'emails')).status).toBe(404);
  });
});

describe('GET /queues', () => {
  it('lists explicit and implicit queues in the order of their names', async () => {
    const tenant = world.key();
    await tenant.enqueue({ queue_name: 'b' });
    await configure(tenant, 'c', { max_retries: 9 });
    await configure(tenant, 'a', { rate_limit: 5 });
    await pause(tenant, 'b');
    const { body } = await tenant.call<QueueSummary[]>('GET', '/queues');
    expect(body).toEqual([
      { queue_name: 'a', max_retries: 3, default_timeout: 300, rate_limit: 5, enabled: true },
      { queue_name: 'b', max_retries: 3, default_timeout: 300, rate_limit: null, enabled: false },
      { queue_name: 'c', max_retries: 9, default_timeout: 300, rate_limit: null, enabled: true },
    ]);
    const scoped = world.key({ organizationId: tenant.organizationId, queues: ['b', 'z'] });
    const seen = await scoped.call<QueueSummary[]>('GET', '/queues');
    expect(seen.body.map(({ queue_name }) => queue_name)).toEqual(['b']);
    expect((await world.key().call('GET', '/queues')).body).toEqual([]);
  });

  it('lists at most 100', async () => {
    const tenant = world.key();
    await world.owner.query(
      `insert into jobs.queue (organization_id, queue_name) select $1, 'q' || n from generate_series(1, 120) n`,
      [tenant.organizationId],
    );
    expect((await tenant.call<unknown[]>('GET', '/queues')).body).toHaveLength(100);
  });
});

describe('PUT /queues/{name}/config', () => {
  it('creates with defaults, then changes only what is named', async () => {
    const tenant = world.key();
    const first = await configure(tenant, 'emails', { settings: { a: 1, b: { c: 2 } } });
    expect(first).toMatchObject({
      status: 200,
      body: {
        queue_name: 'emails',
        organization_id: tenant.organizationId,
        max_retries: 3,
        default_timeout: 300,
        rate_limit: null,
        enabled: true,
        settings: { a: 1, b: { c: 2 } },
      },
    });
    expect(first.body.id).toMatch(/^[0-9a-f-]{36}$/);
    const second = await configure(tenant, 'emails', {
      queue_name: 'the-path-wins',
      max_retries: 0,
      rate_limit: 100_000,
      settings: { b: null, d: [] },
    });
    expect(second.body).toMatchObject({
      id: first.body.id,
      queue_name: 'emails',
      max_retries: 0,
      default_timeout: 300,
      rate_limit: 100_000,
      settings: { a: 1, b: null, d: [] },
    });
    expect((await configure(tenant, 'emails')).body).toMatchObject({ max_retries: 0 });
    expect((await read(tenant, 'emails')).body.settings).toEqual({ a: 1, b: null, d: [] });
  });

  it('does the same as pause and resume with enabled', async () => {
    const tenant = world.key();
    await tenant.enqueue();
    expect((await configure(tenant, 'emails', { enabled: false })).body.enabled).toBe(false);
    expect(await tenant.claim()).toEqual([]);
    await configure(tenant, 'emails', { enabled: true });
    expect(await tenant.claim()).toHaveLength(1);
  });

  it('leaves the marks of a pause to pause and resume', async () => {
    const tenant = world.key();
    await configure(tenant, 'emails', {
      settings: { paused_at: 'not a time', paused: 'x', paused_reason: 1, mine: 1 },
    });
    expect((await read(tenant, 'emails')).body.settings).toEqual({ mine: 1 });
    expect((await pause(tenant, 'emails')).status).toBe(200);
    await configure(tenant, 'emails', { settings: { paused_at: 'not a time' } });
    expect((await resume(tenant, 'emails')).status).toBe(200);
  });

  it.each([
    ['max_retries', -1],
    ['max_retries', 101],
    ['max_retries', '3'],
    ['default_timeout', 0],
    ['default_timeout', 86_401],
    ['rate_limit', 0],
    ['rate_limit', 100_001],
    ['enabled', 'yes'],
    ['settings', []],
    ['settings', 'text'],
    ['settings', { a: 'x\u0000' }],
    ['settings', { a: '\ud800' }],
  ])('refuses %s = %j', async (field, value) => {
    const tenant = world.key();
    expect(await configure(tenant, 'emails', { [field]: value })).toMatchObject({
      status: 400,
      body: { code: 'VALIDATION_ERROR' },
    });
    expect((await read(tenant, 'emails')).status).toBe(404);
  });

  it('takes settings of 64 KiB and no more', async () => {
    const tenant = world.key();
    const settings = (bytes: number) => ({ settings: { t: 'x'.repeat(bytes - 8) } });
    expect((await configure(tenant, 'emails', settings(65_537))).status).toBe(400);
    expect((await configure(tenant, 'emails', settings(65_536))).status).toBe(200);
  });
});

describe('pause and resume', () => {
  it('stop and restart claims, and nothing else', async () => {
    const tenant = world.key();
    const running = await tenant.leased();
    await tenant.enqueue();
    const paused = await pause(tenant, 'emails', { reason: 'deploy' });
    expect(paused).toMatchObject({
      status: 200,
      body: { queue_name: 'emails', paused: true, paused_at: expect.any(String), reason: 'deploy' },
    });
    expect((await read(tenant, 'emails')).body).toMatchObject({
      enabled: false,
      settings: { paused: true, paused_reason: 'deploy' },
    });
    expect((await tenant.complete(running.id)).status).toBe(200);
    const scheduled = await tenant.enqueue({
      scheduled_at: new Date(Date.now() + 50).toISOString(),
    });
    await eventually(async () => (await tenant.statusOf(scheduled)) === 'pending');
    expect(await tenant.claim({ limit: 100 })).toEqual([]);
    const resumed = await resume(tenant, 'emails');
    expect(resumed).toMatchObject({
      status: 200,
      body: { queue_name: 'emails', resumed: true, paused_duration_secs: expect.any(Number) },
    });
    expect((await read(tenant, 'emails')).body).toMatchObject({ enabled: true, settings: {} });
    expect(await tenant.claim({ limit: 100 })).toHaveLength(2);
  });

  it('keep the first instant of two pauses and tell how long it was', async () => {
    const tenant = world.key();
    await configure(tenant, 'emails', {});
    await pause(tenant, 'emails');
    await world.owner.query(
      `update jobs.queue set settings = settings || jsonb_build_object('paused_at', now() - interval '90 seconds')
       where organization_id = $1`,
      [tenant.organizationId],
    );
    const { body } = await pause(tenant, 'emails', { reason: 'again' });
    const ago = Date.now() - Date.parse(String(body['paused_at']));
    expect(Math.abs(ago - 90_000)).toBeLessThan(5000);
    const { paused_duration_secs: secs } = (await resume(tenant, 'emails')).body;
    expect([90, 91, 92]).toContain(secs);
    expect((await resume(tenant, 'emails')).body).toMatchObject({ paused_duration_secs: 0 });
  });

  it('do not know a queue without configuration and jobs', async () => {
    const tenant = world.key();
    expect((await pause(tenant, 'nowhere')).status).toBe(404);
    expect((await resume(tenant, 'nowhere')).status).toBe(404);
    await tenant.enqueue();
    expect((await resume(tenant, 'emails')).status).toBe(404);
    expect((await pause(tenant, 'emails')).status).toBe(200);
  });

  it('take an empty body of any kind, and a reason of 500 characters', async () => {
    const tenant = world.key();
    await configure(tenant, 'emails', {});
    for (const body of [undefined, '', '{}', { reason: null }, { reason: 'r'.repeat(500) }]) {
      expect((await pause(tenant, 'emails', body)).status).toBe(200);
    }
    expect((await pause(tenant, 'emails', { reason: 'r'.repeat(501) })).status).toBe(400);
    expect((await pause(tenant, 'emails', { reason: 'a\u0000' })).status).toBe(400);
    expect((await tenant.call('POST', '/queues/emails/resume', '')).status).toBe(200);
  });

  it('and configure tell the gateways', async () => {
    const tenant = world.key();
    const mine = `${tenant.organizationId} emails`;
    const heard = async (): Promise<void> => {
      while ((await changes.next()) !== mine);
    };
    await configure(tenant, 'emails', {});
    await heard();
    await pause(tenant, 'emails');
    await heard();
    await resume(tenant, 'emails');
    await heard();
  });
});

describe('GET /queues/{name}/stats', () => {
  const zeros = {
    queue_name: 'emails',
    pending_jobs: 0,
    processing_jobs: 0,
    completed_jobs_24h: 0,
    failed_jobs_24h: 0,
    avg_processing_time_ms: null,
    max_job_age_seconds: null,
    active_workers: 0,
  };

  it('is all zeros for an unknown queue', async () => {
    expect((await stats(world.key(), 'emails')).body).toEqual(zeros);
  });

  it('counts, averages and knows the oldest job, without the worker registry too', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    await world.owner.query(
      `update jobs.job_running set started_at = now() - interval '2 seconds' where id = $1`,
      [id],
    );
    await tenant.complete(id);
    await tenant.deadLetter();
    await tenant.leased({ priority: 100 });
    const old = await tenant.enqueue({ priority: -5 });
    await tenant.enqueue({ scheduled_at: '2090-01-01T00:00:00Z' });
    await world.owner.query(
      `update jobs.job set created_at = now() - interval '100 seconds' where id = $1`,
      [old],
    );
    await tenant.enqueue({ priority: 5 });
    const { status, body } = await stats(tenant, 'emails');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      pending_jobs: 2,
      processing_jobs: 1,
      completed_jobs_24h: 1,
      failed_jobs_24h: 1,
      active_workers: 0,
    });
    expect(body['avg_processing_time_ms']).toBeGreaterThanOrEqual(2000);
    expect(body['avg_processing_time_ms']).toBeLessThan(4000);
    expect(body['max_job_age_seconds']).toBeGreaterThanOrEqual(100);
    expect(body['max_job_age_seconds']).toBeLessThan(110);
  });

  it('asks the registry for healthy workers', async () => {
    const asked = new Signal<object>();
    world.others.respond(workersRpc.active, async (request) => {
      asked.fire(request);
      return { healthy: 3 };
    });
    const tenant = world.key();
    await eventually(async () => {
      expect((await stats(tenant, 'emails')).body['active_workers']).toBe(3);
    });
    const { organizationId } = tenant;
    expect(await asked.next()).toEqual({ organizationId, queueName: 'emails' });
  });
});

describe('the name of a queue', () => {
  const routes: [string, (tenant: Tenant, name: string) => Promise<{ status: number }>][] = [
    ['GET', read],
    ['config', (tenant, name) => configure(tenant, name, {})],
    ['stats', stats],
    ['pause', (tenant, name) => pause(tenant, name)],
    ['resume', resume],
  ];
  const badNames = ['.hidden', '-x', 'a%20b', '%00', 'a%2Fb', 'a'.repeat(101), '%C3%A4'];

  it.each(routes)('is checked by %s', async (_, act) => {
    for (const name of badNames) {
      expect({ name, status: (await act(world.key(), name)).status }).toEqual({
        name,
        status: 400,
      });
    }
  });

  it.each(routes)('outside the scope of the key is refused by %s', async (_, act) => {
    const tenant = world.key();
    await tenant.enqueue();
    const scoped = world.key({ organizationId: tenant.organizationId, queues: ['reports'] });
    expect(await act(scoped, 'emails')).toMatchObject({
      status: 403,
      body: { code: 'ACCESS_DENIED' },
    });
  });

  it('may be percent-encoded', async () => {
    const tenant = world.key();
    await configure(tenant, '%65mails', { max_retries: 1 });
    expect((await read(tenant, 'emails')).body.max_retries).toBe(1);
  });
});

describe('what is not provided', () => {
  it.each([
    ['POST', '/queues'],
    ['PATCH', '/queues/emails'],
    ['PUT', '/jobs'],
    ['PATCH', '/jobs/x'],
    ['GET', '/jobs/claim/x/y'],
  ])('answers %s %s with 405 or 404', async (method, path) => {
    const { status, body } = await world
      .key()
      .call(method, path, method === 'GET' ? undefined : {});
    expect({ status, code: body['code'] }).toEqual(
      path === '/jobs/claim/x/y'
        ? { status: 404, code: 'NOT_FOUND' }
        : { status: 405, code: 'METHOD_NOT_ALLOWED' },
    );
  });
});
