import { workersApi, type RouteSpec } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { free, World } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

const valid = { queue_name: 'emails', hostname: 'host-1' };

/** A request's fields under the names that a worker is read with. */
function strip({ worker_id: id, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return id === undefined ? rest : { ...rest, id };
}

describe('every route', () => {
  const routes = Object.values<RouteSpec>(workersApi);

  it.each(routes.map((spec) => [`${spec.method} ${spec.path}`, spec] as const))(
    '%s wants a good credential',
    async (_name, { method, path }) => {
      for (const credential of [undefined, 'sp_test_unknown']) {
        const { status, body } = await world.call(
          credential,
          method,
          path,
          method === 'GET' ? undefined : {},
        );
        expect([status, body['code']]).toEqual([401, 'UNAUTHORIZED']);
      }
    },
  );

  it.each([
    ['unknown', '0198aaaa-0000-7000-8000-000000000000'],
    ['no UUID', 'nobody'],
    ['with a NUL', '%00'],
    ['too long', 'x'.repeat(256)],
  ])('answers 404 for an id that is %s', async (_name, id) => {
    const { credential } = world.key();
    for (const answer of [
      await world.call(credential, 'GET', `/workers/${id}`),
      await world.call(credential, 'POST', `/workers/${id}/heartbeat`, { current_jobs: 0 }),
      await world.call(credential, 'POST', `/workers/${id}/deregister`),
    ]) {
      expect([answer.status, answer.body['code']]).toEqual([404, 'NOT_FOUND']);
    }
  });
});

describe('POST /workers/register', () => {
  it('gives an id of ours, and the worker can be read in full', async () => {
    const { organizationId, credential } = world.key();
    const { status, body } = await world.call(credential, 'POST', '/workers/register', {
      ...valid,
      worker_type: 'node',
      max_concurrency: 7,
      metadata: { zone: 'a' },
      version: '1.2.3',
      unknown_key: true,
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      queue_name: 'emails',
      lease_duration_secs: 30,
      heartbeat_interval_secs: 10,
    });
    const detail = await world.call(credential, 'GET', `/workers/${String(body['id'])}`);
    const { registered_at, updated_at, last_heartbeat } = detail.body;
    expect(detail.body).toEqual({
      id: body['id'],
      organization_id: organizationId,
      queue_name: 'emails',
      queue_names: ['emails'],
      hostname: 'host-1',
      worker_type: 'node',
      max_concurrency: 7,
      max_concurrent_jobs: 7,
      current_jobs: 0,
      current_job_count: 0,
      status: 'healthy',
      last_heartbeat,
      metadata: { zone: 'a' },
      version: '1.2.3',
      registered_at,
      created_at: registered_at,
      updated_at,
    });
    for (const at of [registered_at, updated_at, last_heartbeat]) {
      expect(Math.abs(Date.now() - Date.parse(String(at)))).toBeLessThan(60_000);
    }
    expect(workersApi.get.responses[200].safeParse(detail.body).success).toBe(true);
  });

  it('fills in what was left out', async () => {
    const { credential } = world.key();
    const id = await world.register(credential, { worker_type: null, metadata: null });
    const { body } = await world.call(credential, 'GET', `/workers/${id}`);
    expect(body).toMatchObject({
      max_concurrency: 5,
      worker_type: null,
      version: null,
      metadata: {},
    });
  });

  it.each([
    ['no queue', { queue_name: undefined }, 'queue_name'],
    ['a queue name with a space', { queue_name: 'a b' }, 'queue_name'],
    ['no hostname', { hostname: undefined }, 'hostname'],
    ['an empty hostname', { hostname: '' }, 'hostname'],
    ['a hostname of 256', { hostname: 'h'.repeat(256) }, 'hostname'],
    ['a hostname that starts with a dot', { hostname: '.host' }, 'hostname'],
    ['a hostname that ends with a hyphen', { hostname: 'host-' }, 'hostname'],
    ['a hostname with a slash', { hostname: 'a/b' }, 'hostname'],
    ['a worker type of 51', { worker_type: 'x'.repeat(51) }, 'worker_type'],
    ['a version of 51', { version: 'x'.repeat(51) }, 'version'],
    ['a concurrency of 0', { max_concurrency: 0 }, 'max_concurrency'],
    ['a concurrency of 101', { max_concurrency: 101 }, 'max_concurrency'],
    ['a concurrency of 1.5', { max_concurrency: 1.5 }, 'max_concurrency'],
    ['metadata that is a list', { metadata: [] }, 'metadata'],
    ['metadata over 64 KiB', { metadata: { text: 'x'.repeat(65_536) } }, 'metadata'],
    ['metadata with a NUL', { metadata: { text: '\0' } }, 'metadata'],
    ['an empty worker id', { worker_id: '' }, 'worker_id'],
    ['a worker id of 256', { worker_id: 'x'.repeat(256) }, 'worker_id'],
    ['a worker id with a NUL', { worker_id: 'a\0b' }, 'worker_id'],
    ['a worker id with half a character', { worker_id: '\ud800' }, 'worker_id'],
  ])('refuses %s', async (_name, over, field) => {
    const { organizationId, credential } = world.key();
    const { status, body } = await world.call(credential, 'POST', '/workers/register', {
      ...valid,
      ...over,
    });
    expect([status, body['code']]).toEqual([400, 'VALIDATION_ERROR']);
    expect(body['details']).toContainEqual(expect.objectContaining({ field }));
    expect(await world.events(organizationId)).toEqual([]);
  });

  it.each([
    ['a hostname of one character', { hostname: 'h' }],
    ['a hostname of 255', { hostname: 'h'.repeat(255) }],
    ['a hostname with every kind of character', { hostname: 'Web-1.eu_west' }],
    ['a worker type of 50', { worker_type: 'x'.repeat(50) }],
    ['a version of 50', { version: 'x'.repeat(50) }],
    ['a concurrency of 1', { max_concurrency: 1 }],
    ['a concurrency of 100', { max_concurrency: 100 }],
    ['metadata of 64 KiB', { metadata: { text: 'x'.repeat(65_536 - '{"text":""}'.length) } }],
    ['a worker id of 255', { worker_id: 'x'.repeat(255) }],
  ])('takes %s', async (_name, over) => {
    const { credential } = world.key();
    const id = await world.register(credential, over);
    const { status, body } = await world.call(credential, 'GET', `/workers/${id}`);
    expect([status, body]).toEqual([200, expect.objectContaining({ ...valid, ...strip(over) })]);
  });

  it('takes an id of the caller’s choice, with any characters', async () => {
    const { credential } = world.key();
    const id = `zażółć/${'ü'.repeat(200)} 1`;
    expect(await world.register(credential, { worker_id: id })).toBe(id);
    expect(await world.statusOf(credential, id)).toBe('healthy');
    expect((await world.beat(credential, id)).status).toBe(200);
  });

  it('registers its own record again without taking a second slot', async () => {
    const { organizationId, credential } = world.key({ plan: free });
    const id = `own-${organizationId}`;
    await world.register(credential, { worker_id: id });
    await world.beat(credential, id, { current_jobs: 3, status: 'degraded' });
    const again = await world.call(credential, 'POST', '/workers/register', {
      queue_name: 'reports',
      hostname: 'host-2',
      worker_id: id,
    });
    expect(again.status).toBe(201);
    const { body } = await world.call(credential, 'GET', `/workers/${id}`);
    expect(body).toMatchObject({ queue_name: 'reports', hostname: 'host-2', status: 'healthy' });
    expect(body['current_jobs']).toBe(0);
    expect((await world.call<unknown[]>(credential, 'GET', '/workers')).body).toHaveLength(1);
  });

  it('answers 409 for an id of another organization, and tells nothing of it', async () => {
    const [first, second] = [world.key(), world.key()];
    const id = `shared-${first.organizationId}`;
    await world.register(first.credential, { worker_id: id });
    const refused = await world.call(second.credential, 'POST', '/workers/register', {
      ...valid,
      worker_id: id,
    });
    expect([refused.status, refused.body['code']]).toEqual([409, 'CONFLICT']);
    expect(refused.text).not.toContain(first.organizationId);
    expect((await world.call(second.credential, 'GET', `/workers/${id}`)).status).toBe(404);
    expect((await world.beat(second.credential, id)).status).toBe(404);
    expect((await world.call(second.credential, 'POST', `/workers/${id}/deregister`)).status).toBe(
      404,
    );
    expect((await world.call<unknown[]>(second.credential, 'GET', '/workers')).body).toEqual([]);
    expect(await world.statusOf(first.credential, id)).toBe('healthy');
  });

  it('answers 409 also for an id that we made for another organization', async () => {
    const [first, second] = [world.key(), world.key()];
    const id = await world.register(first.credential);
    const { status } = await world.call(second.credential, 'POST', '/workers/register', {
      ...valid,
      worker_id: id,
    });
    expect(status).toBe(409);
  });

  it('gives an id that many organizations want at once to exactly one', async () => {
    const keys = Array.from({ length: 8 }, () => world.key());
    const id = `wanted-${keys[0]!.organizationId}`;
    const answers = await Promise.all(
      keys.map(({ credential }) =>
        world.call(credential, 'POST', '/workers/register', { ...valid, worker_id: id }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([
      201,
      ...Array<number>(7).fill(409),
    ]);
  });

  it('tells of every registration in the event log', async () => {
    const { organizationId, credential } = world.key();
    const id = await world.register(credential);
    await world.register(credential, { worker_id: id, hostname: 'host-2' });
    expect(await world.events(organizationId)).toEqual(
      ['host-1', 'host-2'].map((hostname) => ({
        type: 'WorkerRegistered',
        data: { worker_id: id, queue_name: 'emails', hostname, timestamp: expect.any(String) },
      })),
    );
  });
});

describe('the plan’s worker limit', () => {
  it('is never overshot by registrations at the same time', async () => {
    const { credential } = world.key({ plan: { tier: 'starter', max_workers: 5 } });
    const answers = await Promise.all(
      Array.from({ length: 25 }, () => world.call(credential, 'POST', '/workers/register', valid)),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(5);
    expect(statuses.filter((status) => status === 429)).toHaveLength(20);
  });

  it('is never overshot by workers that come in every way at the same time', async () => {
    const { organizationId, credential } = world.key({ plan: { max_workers: 8 } });
    // Ten that gave up their slots: four are draining, three offline, three left.
    const resting = await Promise.all(
      Array.from({ length: 7 }, async (_, index) => {
        const id = await world.register(credential);
        await world.beat(credential, id, { status: index < 4 ? 'draining' : 'offline' });
        return id;
      }),
    );
    const left = await Promise.all(Array.from({ length: 3 }, () => world.register(credential)));
    for (const id of left) await world.call(credential, 'POST', `/workers/${id}/deregister`);

    const chosen = `chosen-${organizationId}`;
    const again = (worker_id: string) =>
      world.call(credential, 'POST', '/workers/register', { ...valid, worker_id });
    const answers = await Promise.all([
      ...resting.map((id) => world.beat(credential, id, { status: 'degraded' })),
      ...left.map(again),
      ...Array.from({ length: 3 }, () => again(chosen)),
      ...Array.from({ length: 5 }, () =>
        world.call(credential, 'POST', '/workers/register', valid),
      ),
    ]);
    for (const { status } of answers) expect([200, 201, 429]).toContain(status);
    const { body } = await world.call<{ status: string }[]>(credential, 'GET', '/workers');
    const counted = body.filter(({ status }) => status === 'healthy' || status === 'degraded');
    expect(counted).toHaveLength(8);
  });

  it('gives one slot to an id that registers many times at once', async () => {
    const { organizationId, credential } = world.key({ plan: free });
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        world.call(credential, 'POST', '/workers/register', {
          ...valid,
          worker_id: `same-${organizationId}`,
        }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(201));
  });

  it('answers with the quota body, and no trace of the worker', async () => {
    const { organizationId, credential } = world.key({ plan: free });
    await world.register(credential);
    const { status, body } = await world.call(credential, 'POST', '/workers/register', {
      ...valid,
      worker_id: `second-${organizationId}`,
    });
    expect(status).toBe(429);
    expect(body).toEqual({
      code: 'QUOTA_EXCEEDED',
      error: 'limit_exceeded',
      message: expect.stringContaining('workers limit reached (1/1)'),
      resource: 'workers',
      current: 1,
      limit: 1,
      plan: 'free',
      upgrade_to: 'starter',
    });
    expect(await world.events(organizationId)).toHaveLength(1);
    // The refused id is free for anyone.
    const other = world.key();
    const id = `second-${organizationId}`;
    expect(await world.register(other.credential, { worker_id: id })).toBe(id);
  });

  it('counts healthy and degraded workers only', async () => {
    const { credential } = world.key({ plan: free });
    const first = await world.register(credential);
    await world.beat(credential, first, { status: 'degraded' });
    expect((await world.call(credential, 'POST', '/workers/register', valid)).status).toBe(429);
    await world.beat(credential, first, { status: 'draining' });
    expect((await world.call(credential, 'POST', '/workers/register', valid)).status).toBe(201);
  });

  it('charges a worker that registers again after it gave up its slot', async () => {
    const { organizationId, credential } = world.key({ plan: free });
    const id = `back-${organizationId}`;
    await world.register(credential, { worker_id: id });
    await world.call(credential, 'POST', `/workers/${id}/deregister`);
    await world.register(credential);
    const again = await world.call(credential, 'POST', '/workers/register', {
      ...valid,
      worker_id: id,
    });
    expect(again.status).toBe(429);
    expect(await world.statusOf(credential, id)).toBe('offline');
  });

  it('disables the feature when the limit is 0', async () => {
    const { credential } = world.key({ plan: { ...free, max_workers: 0 } });
    const { status, body } = await world.call(credential, 'POST', '/workers/register', valid);
    expect([status, body['code'], body['feature']]).toEqual([403, 'FEATURE_DISABLED', 'workers']);
  });
});

describe('the queue scope of a key', () => {
  it('refuses registration out of scope and hides what exists', async () => {
    const full = world.key();
    const scoped = world.key({ organizationId: full.organizationId, queues: ['reports'] });
    const id = await world.register(full.credential);
    const mine = await world.register(scoped.credential, { queue_name: 'reports' });

    const refused = await world.call(scoped.credential, 'POST', '/workers/register', valid);
    expect([refused.status, refused.body['code']]).toEqual([403, 'ACCESS_DENIED']);
    expect((await world.call(scoped.credential, 'GET', `/workers/${id}`)).status).toBe(404);
    expect((await world.beat(scoped.credential, id)).status).toBe(404);
    expect((await world.call(scoped.credential, 'POST', `/workers/${id}/deregister`)).status).toBe(
      404,
    );
    const stolen = await world.call(scoped.credential, 'POST', '/workers/register', {
      queue_name: 'reports',
      hostname: 'host-1',
      worker_id: id,
    });
    expect(stolen.status).toBe(409);

    const seen = await world.call<{ id: string }[]>(scoped.credential, 'GET', '/workers');
    expect(seen.body.map((worker) => worker.id)).toEqual([mine]);
    expect((await world.beat(scoped.credential, mine)).status).toBe(200);
    expect(await world.statusOf(full.credential, id)).toBe('healthy');
  });
});

describe('GET /workers', () => {
  it('lists the 100 newest heartbeats, newest first', async () => {
    const { credential } = world.key();
    const ids: string[] = [];
    for (let count = 0; count < 101; count += 1) ids.push(await world.register(credential));
    await world.beat(credential, ids[50]!, { current_jobs: 2, status: 'degraded' });
    const { status, body } = await world.call<Record<string, unknown>[]>(
      credential,
      'GET',
      '/workers',
    );
    expect(status).toBe(200);
    expect(body).toHaveLength(100);
    expect(body[0]).toEqual({
      id: ids[50],
      queue_name: 'emails',
      hostname: 'host-1',
      status: 'degraded',
      current_jobs: 2,
      max_concurrency: 5,
      last_heartbeat: expect.any(String),
    });
    const times = body.map((worker) => Date.parse(String(worker['last_heartbeat'])));
    expect(times).toEqual([...times].sort((one, other) => other - one));
    expect(body.map((worker) => worker['id'])).not.toContain(ids[0]);
  });
});

describe('POST /workers/{id}/deregister', () => {
  it('takes the worker off, has its jobs given back, and finds nothing to do the second time', async () => {
    const { organizationId, credential } = world.key();
    const id = await world.register(credential);
    await world.beat(credential, id, { current_jobs: 2 });
    const first = await world.call(credential, 'POST', `/workers/${id}/deregister`);
    expect([first.status, first.text]).toEqual([204, '']);
    // Asked before the answer left: whoever waits for it finds the jobs pending.
    expect(world.releases).toContainEqual({
      organizationId,
      workerId: id,
      cause: 'requested',
      leasedBefore: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*\.\d{6}Z$/),
    });
    const { body } = await world.call(credential, 'GET', `/workers/${id}`);
    expect(body).toMatchObject({ status: 'offline', current_jobs: 0 });

    expect((await world.call(credential, 'POST', `/workers/${id}/deregister`)).status).toBe(204);
    expect(world.releases.filter((release) => release.workerId === id)).toHaveLength(1);
    expect((await world.events(organizationId)).map(({ type }) => type)).toEqual([
      'WorkerRegistered',
      'WorkerDeregistered',
    ]);
  });

  it('happens once when asked many times at once', async () => {
    const { organizationId, credential } = world.key();
    const id = await world.register(credential);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => world.call(credential, 'POST', `/workers/${id}/deregister`)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(204));
    const ends = (await world.events(organizationId)).filter(
      ({ type }) => type === 'WorkerDeregistered',
    );
    expect(ends).toEqual([
      {
        type: 'WorkerDeregistered',
        data: {
          worker_id: id,
          queue_name: 'emails',
          reason: 'requested',
          timestamp: expect.any(String),
        },
      },
    ]);
  });

  it('gives back what was leased until then, and nothing of a life that begins meanwhile', async () => {
    const { credential } = world.key();
    const id = await world.register(credential);
    await world.beat(credential, id, { current_jobs: 1 });
    const reported = await world.updatedAt(id);
    const { promise, resolve } = Promise.withResolvers<void>();
    world.answersAfter = promise;
    try {
      const leaving = world.call(credential, 'POST', `/workers/${id}/deregister`);
      const asked = await eventually(
        () => world.releases.find(({ workerId }) => workerId === id) ?? null,
      );
      // It registers again while its jobs are being given back.
      await world.register(credential, { worker_id: id });
      const returned = await world.updatedAt(id);
      resolve();
      expect((await leaving).status).toBe(204);
      const end = asked!.leasedBefore!;
      expect([reported < end, end < returned]).toEqual([true, true]);
    } finally {
      resolve();
      world.answersAfter = Promise.resolve();
    }
    expect(await world.statusOf(credential, id)).toBe('healthy');
    expect(world.releases.filter(({ workerId }) => workerId === id)).toHaveLength(1);
  });

  it('is not undone by a late heartbeat, only by registering again', async () => {
    const { credential } = world.key();
    const id = await world.register(credential);
    await world.call(credential, 'POST', `/workers/${id}/deregister`);
    const late = await world.beat(credential, id);
    expect([late.status, late.body['code']]).toEqual([409, 'CONFLICT']);
    expect(await world.statusOf(credential, id)).toBe('offline');
    await world.register(credential, { worker_id: id });
    await eventually(async () => expect((await world.beat(credential, id)).status).toBe(200));
  });
});
