import {
  authChanged,
  jobsRpc,
  plans,
  queueChanged,
  workersRpc,
  type PlanLimits,
  type Queue,
  type ListedQueue,
} from '@spooled/contracts';
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
const listed = async (tenant: Tenant) =>
  (await tenant.call<ListedQueue[]>('GET', '/queues')).body.map(({ queue_name }) => queue_name);
/** Tells, as the scheduler does, which queues active schedules feed. */
const schedule = ({ organizationId }: Tenant, ...queueNames: string[]) =>
  world.others.request(jobsRpc.setScheduledQueues, { organizationId, queueNames });

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
      paused_at: null,
      pause_reason: null,
      settings: { implicit: true },
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
    expect((await read(world.key(), 'emails')).status).toBe(404);
  });
});

describe('a queue exists', () => {
  type Act = (tenant: Tenant) => Promise<unknown>;
  const jobThat = (end: (tenant: Tenant, id: string) => Promise<unknown>): Act => {
    return async (tenant) => end(tenant, (await tenant.leased()).id);
  };
  const reasons: [because: string, begin: Act, end: Act | undefined][] = [
    [
      'it is configured',
      (tenant) => configure(tenant, 'emails', {}),
      (tenant) => tenant.call('DELETE', '/queues/emails'),
    ],
    ['a job is pending', (tenant) => tenant.enqueue(), undefined],
    [
      'a job is scheduled',
      (tenant) => tenant.enqueue({ scheduled_at: '2090-01-01T00:00:00Z' }),
      undefined,
    ],
    ['a job is processing', (tenant) => tenant.leased(), undefined],
    ['a job completed', jobThat((tenant, id) => tenant.complete(id)), undefined],
    [
      'a job was given up',
      (tenant) => tenant.deadLetter(),
      (tenant) => tenant.call('POST', '/jobs/dlq/purge', { confirm: true }),
    ],
    [
      'a schedule feeds it',
      (tenant) => schedule(tenant, 'emails', 'other'),
      (tenant) => schedule(tenant, 'other'),
    ],
  ];
  it.each(reasons)('because %s', async (_, begin, end) => {
    const tenant = world.key();
    await begin(tenant);
    expect((await read(tenant, 'emails')).status).toBe(200);
    expect(await listed(tenant)).toContain('emails');
    if (end !== undefined) {
      await end(tenant);
      expect((await read(tenant, 'emails')).status).toBe(404);
      expect((await pause(tenant, 'emails')).status).toBe(404);
      expect(await listed(tenant)).not.toContain('emails');
      await begin(tenant);
    }
    expect((await pause(tenant, 'emails')).status).toBe(200);
    expect((await read(tenant, 'emails')).body).toMatchObject({
      id: expect.not.stringContaining('implicit'),
      enabled: false,
    });
  });

  it('in the eyes of its organization and of keys that may use it only', async () => {
    const tenant = world.key();
    await schedule(tenant, 'emails', 'reports');
    const scoped = world.key({ organizationId: tenant.organizationId, queues: ['reports'] });
    expect(await listed(scoped)).toEqual(['reports']);
    expect(await listed(world.key())).toEqual([]);
  });
});

describe('GET /queues', () => {
  it('lists explicit and implicit queues in the order of their names', async () => {
    const tenant = world.key();
    await tenant.enqueue({ queue_name: 'b' });
    await configure(tenant, 'c', { max_retries: 9 });
    await configure(tenant, 'a', { rate_limit: 5 });
    const paused = await pause(tenant, 'b', { reason: 'deploy' });
    const { paused_at } = paused.body as { paused_at: string };
    const { body } = await tenant.call<ListedQueue[]>('GET', '/queues');
    const none = { pending: 0, processing: 0, completed: 0, scheduled: 0, deadletter: 0 };
    const config = { max_retries: 3, default_timeout: 300, rate_limit: null };
    const goes = { ...config, enabled: true, paused_at: null, pause_reason: null };
    const rests = { ...config, enabled: false, paused_at, pause_reason: 'deploy' };
    expect(body).toEqual([
      { ...goes, queue_name: 'a', rate_limit: 5, counts: none },
      { ...rests, queue_name: 'b', counts: { ...none, pending: 1 } },
      { ...goes, queue_name: 'c', max_retries: 9, counts: none },
    ]);
    expect((await read(tenant, 'b')).body).toMatchObject(rests);
    await resume(tenant, 'b');
    expect((await read(tenant, 'b')).body).toMatchObject(goes);
    expect((await configure(tenant, 'b', { enabled: false })).body).toMatchObject({
      paused_at: expect.any(String),
      pause_reason: null,
    });
    const scoped = world.key({ organizationId: tenant.organizationId, queues: ['b', 'z'] });
    const seen = await scoped.call<ListedQueue[]>('GET', '/queues');
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

  it('is told of when it is paused or resumed, by whatever way, and only when that changes it', async () => {
    const tenant = world.key();
    await configure(tenant, 'emails', {});
    await pause(tenant, 'emails', { reason: 'deploy' });
    await pause(tenant, 'emails', { reason: 'again' });
    const { paused_duration_secs } = (await resume(tenant, 'emails')).body;
    await resume(tenant, 'emails');
    await configure(tenant, 'emails', { enabled: false });
    await configure(tenant, 'emails', { max_retries: 1 });
    await configure(tenant, 'emails', { enabled: true });
    const told = (await tenant.events()).filter(({ type }) => type.startsWith('Queue'));
    const timestamp = expect.any(String);
    const resumed = { queue_name: 'emails', paused_duration_secs, timestamp };
    expect(told).toEqual([
      { type: 'QueuePaused', data: { queue_name: 'emails', reason: 'deploy', timestamp } },
      { type: 'QueueResumed', data: resumed },
      { type: 'QueuePaused', data: { queue_name: 'emails', reason: null, timestamp } },
      { type: 'QueueResumed', data: { ...resumed, paused_duration_secs: expect.any(Number) } },
    ]);
  });

  it('is told of once when many pause it at once, with or without a configuration', async () => {
    for (const isConfigured of [true, false]) {
      const tenant = world.key();
      if (isConfigured) await configure(tenant, 'emails', {});
      else await tenant.enqueue({ queue_name: 'emails' });
      await Promise.all(Array.from({ length: 8 }, () => pause(tenant, 'emails')));
      await Promise.all(Array.from({ length: 8 }, () => resume(tenant, 'emails')));
      const told = (await tenant.events()).map(({ type }) => type);
      expect(told.filter((type) => type !== 'JobCreated')).toEqual(['QueuePaused', 'QueueResumed']);
    }
  });

  it('does the same as pause and resume with enabled', async () => {
    const tenant = world.key();
    await tenant.enqueue();
    expect((await configure(tenant, 'emails', { enabled: false })).body.enabled).toBe(false);
    expect(await tenant.claim()).toEqual([]);
    await configure(tenant, 'emails', { enabled: true });
    expect(await tenant.claim()).toHaveLength(1);
  });

  it('marks a queue that it disables as paused, since the first time, until it enables it', async () => {
    const tenant = world.key();
    const first = await configure(tenant, 'emails', { enabled: false, settings: { mine: 1 } });
    expect(first.body).toMatchObject({
      enabled: false,
      settings: {
        mine: 1,
        paused: true,
        paused_at: expect.stringContaining('T'),
        paused_reason: null,
      },
    });
    const again = await configure(tenant, 'emails', { enabled: false });
    expect(again.body.settings).toEqual(first.body.settings);
    expect((await configure(tenant, 'emails', { max_retries: 1 })).body.settings).toEqual(
      first.body.settings,
    );
    const paused = await pause(tenant, 'emails', { reason: 'deploy' });
    expect(Date.parse(String(paused.body['paused_at']))).toBe(
      Date.parse(String(first.body.settings['paused_at'])),
    );
    const kept = await configure(tenant, 'emails', { enabled: false });
    expect(kept.body.settings).toMatchObject({ paused_reason: 'deploy' });
    expect((await configure(tenant, 'emails', { enabled: true })).body).toMatchObject({
      enabled: true,
      settings: { mine: 1 },
    });
    expect((await read(tenant, 'emails')).body.settings).toEqual({ mine: 1 });
    expect((await resume(tenant, 'emails')).body).toMatchObject({ paused_duration_secs: 0 });
  });

  it('takes a rate limit away with null, and keeps it when it is not named', async () => {
    const tenant = world.key();
    const paces = async () =>
      (
        await world.owner.query('select from jobs.queue_pace where organization_id = $1', [
          tenant.organizationId,
        ])
      ).rowCount;
    const limited = async (body: unknown) =>
      (await configure(tenant, 'emails', body)).body.rate_limit;
    expect(await limited({})).toBeNull();
    expect(await paces()).toBe(0);
    expect(await limited({ rate_limit: 5 })).toBe(5);
    expect(await limited({ enabled: true })).toBe(5);
    expect(await limited({ rate_limit: 7 })).toBe(7);
    expect(await paces()).toBe(1);
    expect(await limited({ rate_limit: null })).toBeNull();
    expect(await paces()).toBe(0);
    expect(await limited({ rate_limit: 9 })).toBe(9);
    expect(await paces()).toBe(1);
  });

  it('keeps what cannot be absent when it is null', async () => {
    const tenant = world.key();
    const config = { max_retries: 1, default_timeout: 2, enabled: true, settings: { a: 1 } };
    await configure(tenant, 'emails', config);
    const nulls = { max_retries: null, default_timeout: null, enabled: null, settings: null };
    expect((await configure(tenant, 'emails', nulls)).body).toMatchObject(config);
  });

  it('by many at once merges what each of them brings', async () => {
    const tenant = world.key();
    const keys = Array.from({ length: 12 }, (_, index) => `k${index}`);
    await Promise.all(
      keys.map((key) => configure(tenant, 'emails', { settings: { [key]: 1 }, rate_limit: 5 })),
    );
    const { settings } = (await read(tenant, 'emails')).body;
    expect(Object.keys(settings).sort()).toEqual(keys.sort());
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

  it('takes settings of 64 KiB in all, whatever a pause adds', async () => {
    const tenant = world.key();
    const half = 'x'.repeat(32_000);
    expect((await configure(tenant, 'emails', { settings: { a: half, b: half } })).status).toBe(
      200,
    );
    await pause(tenant, 'emails', { reason: 'r'.repeat(500) });
    expect((await configure(tenant, 'emails', { settings: { a: '' } })).status).toBe(200);
    expect((await configure(tenant, 'emails', { settings: { c: half } })).status).toBe(200);
    expect(
      await configure(tenant, 'emails', { max_retries: 9, settings: { a: half } }),
    ).toMatchObject({
      status: 400,
      body: { code: 'VALIDATION_ERROR', details: [{ field: 'settings' }] },
    });
    expect((await read(tenant, 'emails')).body).toMatchObject({
      max_retries: 3,
      settings: { a: '' },
    });
  });

  it.each([['[]'], ['"text"'], ['7']])('refuses %s as a body', async (body) => {
    expect((await configure(world.key(), 'emails', body)).status).toBe(400);
  });
});

describe('the number of queues', () => {
  const unhurried = { rate_limit_requests_per_second: 100_000, rate_limit_burst: 100_000 };
  const upTo = (max_queues: number): PlanLimits => ({ ...plans.free, ...unhurried, max_queues });
  /** An organization with this plan, for callers and for other services. */
  const limited = (max_queues: number): Tenant => {
    const tenant = world.key({ plan: upTo(max_queues) });
    world.plans.set(tenant.organizationId, upTo(max_queues));
    return tenant;
  };
  const refusal = (current: number, limit: number) => ({
    status: 429,
    body: {
      code: 'QUOTA_EXCEEDED',
      error: 'limit_exceeded',
      message: expect.stringContaining(`queues limit reached (${current}/${limit})`),
      resource: 'queues',
      current,
      limit,
      plan: 'free',
      upgrade_to: 'starter',
    },
  });

  it('is charged by PUT when the queue is neither configured nor implicit', async () => {
    const tenant = limited(3);
    expect((await configure(tenant, 'explicit', {})).status).toBe(200);
    await tenant.enqueue({ queue_name: 'implicit' });
    await schedule(tenant, 'scheduled');
    const refused = await configure(tenant, 'fourth', {});
    expect(refused).toMatchObject(refusal(3, 3));
    expect(refused.headers.get('retry-after')).toBeNull();
    expect(refused.headers.get('x-ratelimit-reset')).not.toBeNull();
    expect((await read(tenant, 'fourth')).status).toBe(404);
    for (const name of ['explicit', 'implicit', 'scheduled']) {
      expect((await configure(tenant, name, { max_retries: 1 })).status).toBe(200);
      expect((await pause(tenant, name)).status).toBe(200);
    }
    expect((await listed(tenant)).sort()).toEqual(['explicit', 'implicit', 'scheduled']);
  });

  it('is freed by deleting one', async () => {
    const tenant = limited(1);
    await configure(tenant, 'first', {});
    expect((await configure(tenant, 'second', {})).status).toBe(429);
    await tenant.call('DELETE', '/queues/first');
    expect((await configure(tenant, 'second', {})).status).toBe(200);
    await tenant.enqueue({ queue_name: 'second' });
    await tenant.call('DELETE', '/queues/second?delete_jobs=true');
    expect((await configure(tenant, 'third', {})).status).toBe(200);
  });

  it('is no feature of a plan that allows none', async () => {
    expect(await configure(limited(0), 'emails', {})).toMatchObject({
      status: 403,
      body: { code: 'FEATURE_DISABLED', error: 'feature_disabled', feature: 'queues' },
    });
  });

  it('is charged by schedules, for what is new after what is gone', async () => {
    const tenant = limited(2);
    await schedule(tenant, 'a', 'b');
    await schedule(tenant, 'b', 'c');
    expect(await listed(tenant)).toEqual(['b', 'c']);
    await expect(schedule(tenant, 'b', 'c', 'd')).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
      extra: { resource: 'queues', current: 2, limit: 2, plan: 'free' },
    });
    expect(await listed(tenant)).toEqual(['b', 'c']);
    await schedule(tenant, 'c', 'c');
    await tenant.enqueue({ queue_name: 'x' });
    await schedule(tenant, 'x', 'c');
    await expect(schedule(tenant, 'x', 'd', 'e')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await schedule(tenant);
    expect(await listed(tenant)).toEqual(['x']);
  });

  it('does not keep an organization above its limit from having fewer', async () => {
    const tenant = world.key();
    await schedule(tenant, 'a', 'b', 'c');
    const { organizationId } = tenant;
    const shrunk = world.key({ organizationId, plan: upTo(1) });
    world.plans.set(organizationId, upTo(1));
    world.others.hint(authChanged, organizationId, { apiKeyId: null });
    let attempt = 0;
    await eventually(async () => {
      const more = schedule(tenant, 'a', 'b', 'c', `more-${(attempt += 1)}`);
      await expect(more).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    });
    await schedule(tenant, 'a', 'b');
    expect((await configure(shrunk, 'a', {})).status).toBe(200);
    expect((await pause(shrunk, 'b')).status).toBe(200);
    expect((await configure(shrunk, 'c', {})).status).toBe(429);
  });

  it('takes thousands of scheduled queues where they are not limited', async () => {
    const tenant = world.key();
    const names = Array.from({ length: 5000 }, (_, index) => `q${index}`);
    await schedule(tenant, ...names);
    await schedule(tenant, ...names.slice(10));
    expect((await read(tenant, 'q9')).status).toBe(404);
    expect((await read(tenant, 'q10')).status).toBe(200);
  });

  type Ask = (tenant: Tenant, name: string) => Promise<boolean>;
  const put: Ask = async (tenant, name) => (await configure(tenant, name, {})).status === 200;
  const enqueue: Ask = async (tenant, name) =>
    (await tenant.call('POST', '/jobs', { queue_name: name, payload: 1 })).status === 201;
  const feed: Ask = (tenant, name) =>
    schedule(tenant, name).then(
      () => true,
      () => false,
    );
  it.each<[who: string, asks: Ask[]]>([
    ['many PUTs', [put]],
    ['PUTs and jobs', [put, enqueue]],
    ['PUTs, jobs and schedules', [put, put, enqueue, enqueue, feed]],
  ])('never exceeds the limit, with %s at once', async (_, asks) => {
    const tenant = limited(5);
    const granted = await Promise.all(
      Array.from({ length: 30 }, (_, index) => asks[index % asks.length]!(tenant, `q${index}`)),
    );
    expect(await listed(tenant)).toHaveLength(5);
    // A schedule's queue may have made room for another one again.
    expect(granted.filter(Boolean).length).toBeGreaterThanOrEqual(5);
    if (!asks.includes(feed)) expect(granted.filter(Boolean)).toHaveLength(5);
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

  it('end claims: none that begins after the pause gets a job', async () => {
    const tenant = world.key();
    for (let round = 0; round < 5; round += 1) {
      const jobs = Array.from({ length: 100 }, () => ({ payload: 1 }));
      await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
      let isPaused = false;
      let late = 0;
      let claimed = 0;
      const worker = async (): Promise<void> => {
        for (;;) {
          const wasPaused = isPaused;
          const { length } = await tenant.claim();
          claimed += length;
          if (wasPaused) late += length;
          if (wasPaused || length === 0) return;
        }
      };
      const workers = Array.from({ length: 6 }, worker);
      await eventually(() => claimed > 10, { intervalMs: 1 });
      await pause(tenant, 'emails');
      isPaused = true;
      await Promise.all(workers);
      expect(late).toBe(0);
      await resume(tenant, 'emails');
      const rest = await tenant.claim({ limit: 100 });
      expect(claimed + rest.length).toBe(100);
    }
  });

  it('hold a waiting claim back, and let it go on', async () => {
    const tenant = world.key();
    await configure(tenant, 'emails', { enabled: false });
    const id = await tenant.enqueue();
    const startedAt = performance.now();
    expect(await tenant.claim({ wait_secs: 1 })).toEqual([]);
    expect(performance.now() - startedAt).toBeGreaterThan(900);
    const waiting = tenant.claim({ wait_secs: 20 });
    await resume(tenant, 'emails');
    expect((await waiting).map((job) => job.id)).toEqual([id]);
  });

  it('keep the first instant of two pauses and tell how long it was', async () => {
    const tenant = world.key();
    await configure(tenant, 'emails', {});
    await pause(tenant, 'emails');
    const { rows } = await world.owner.query<{ paused_at: string }>(
      `update jobs.queue set settings = settings || jsonb_build_object('paused_at', now() - interval '1 day')
       where organization_id = $1 returning settings->>'paused_at' as paused_at`,
      [tenant.organizationId],
    );
    const { body } = await pause(tenant, 'emails', { reason: 'again' });
    const pausedAt = Date.parse(rows[0]!.paused_at);
    expect(Date.parse(String(body['paused_at']))).toBe(pausedAt);
    const { paused_duration_secs: secs } = (await resume(tenant, 'emails')).body;
    expect(secs).toBeGreaterThanOrEqual(86_400);
    expect(secs).toBeLessThanOrEqual((Date.now() - pausedAt) / 1000);
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
      `update jobs.job_running set started_at = now() - interval '1 hour' where id = $1`,
      [id],
    );
    await tenant.complete(id);
    await tenant.deadLetter();
    await tenant.leased({ priority: 100 });
    const old = await tenant.enqueue({ priority: -5 });
    await tenant.enqueue({ scheduled_at: '2090-01-01T00:00:00Z' });
    await world.owner.query(
      `update jobs.job set created_at = now() - interval '1 day' where id = $1`,
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
    expect(body['avg_processing_time_ms']).toBeGreaterThanOrEqual(3_600_000);
    expect(body['avg_processing_time_ms']).toBeLessThan(4_000_000);
    expect(body['max_job_age_seconds']).toBeGreaterThanOrEqual(86_400);
    expect(body['max_job_age_seconds']).toBeLessThan(87_000);
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
    ['DELETE', (tenant, name) => tenant.call('DELETE', `/queues/${name}`)],
    [
      'DELETE with delete_jobs',
      (tenant, name) => tenant.call('DELETE', `/queues/${name}?delete_jobs=true`),
    ],
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
    ['PUT', '/queues'],
    ['DELETE', '/queues'],
    ['PATCH', '/queues/emails'],
    ['PUT', '/queues/emails'],
    ['POST', '/queues/emails'],
    ['PATCH', '/queues/emails/config'],
    ['GET', '/queues/emails/pause'],
    ['DELETE', '/queues/emails/stats'],
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
