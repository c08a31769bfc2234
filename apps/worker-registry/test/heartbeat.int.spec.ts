import { workerHeartbeat, workersRpc } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { free, World } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

describe('POST /workers/{id}/heartbeat', () => {
  it('answers 200 with nothing and keeps what was reported', async () => {
    const { credential } = world.key();
    const id = await world.register(credential, { metadata: { zone: 'a' } });
    const answer = await world.beat(credential, id, { current_jobs: 4, status: 'degraded' });
    expect([answer.status, answer.text]).toEqual([200, '']);
    const { body } = await world.call(credential, 'GET', `/workers/${id}`);
    expect(body).toMatchObject({
      status: 'degraded',
      current_jobs: 4,
      current_job_count: 4,
      metadata: { zone: 'a' },
    });
  });

  it('replaces the metadata when it is given', async () => {
    const { credential } = world.key();
    const id = await world.register(credential, { metadata: { zone: 'a' } });
    await world.beat(credential, id, { metadata: { load: 0.5 } });
    const { body } = await world.call(credential, 'GET', `/workers/${id}`);
    expect(body['metadata']).toEqual({ load: 0.5 });
  });

  it('moves the time of the last heartbeat', async () => {
    const { credential } = world.key();
    const id = await world.register(credential);
    await world.silence(id, 60);
    const beatenAt = Date.now();
    await world.beat(credential, id);
    const { body } = await world.call(credential, 'GET', `/workers/${id}`);
    expect(Date.parse(String(body['last_heartbeat']))).toBeGreaterThanOrEqual(beatenAt - 1);
  });

  it.each([
    ['no jobs', { current_jobs: 0 }],
    ['1000 jobs', { current_jobs: 1000 }],
    ['metadata of 64 KiB', { metadata: { text: 'x'.repeat(65_536 - '{"text":""}'.length) } }],
    ['null for what may be left out', { status: null, metadata: null }],
    ['an unknown key', { cpu: 0.5 }],
  ])('takes %s', async (_name, over) => {
    const { credential } = world.key();
    const id = await world.register(credential, { metadata: { zone: 'a' } });
    const { status } = await world.beat(credential, id, over);
    expect(status).toBe(200);
    const { body } = await world.call(credential, 'GET', `/workers/${id}`);
    const { current_jobs = 0, metadata } = over as Record<string, unknown>;
    expect(body).toMatchObject({
      status: 'healthy',
      current_jobs,
      metadata: metadata ?? { zone: 'a' },
    });
  });

  it.each([
    ['an unknown status', { status: 'busy' }, 'status'],
    ['no job count', { current_jobs: undefined }, 'current_jobs'],
    ['a negative job count', { current_jobs: -1 }, 'current_jobs'],
    ['a job count over 1000', { current_jobs: 1001 }, 'current_jobs'],
    ['a job count that is text', { current_jobs: '1' }, 'current_jobs'],
    ['metadata that is text', { metadata: 'x' }, 'metadata'],
    ['metadata over 64 KiB', { metadata: { text: 'x'.repeat(65_536) } }, 'metadata'],
  ])('refuses %s', async (_name, over, field) => {
    const { credential } = world.key();
    const id = await world.register(credential);
    const { status, body } = await world.beat(credential, id, over);
    expect([status, body['code']]).toEqual([400, 'VALIDATION_ERROR']);
    expect(body['details']).toContainEqual(expect.objectContaining({ field }));
  });

  it.each([
    [['degraded'], 'degraded'],
    [['degraded', undefined], 'healthy'],
    [['draining'], 'draining'],
    [['draining', 'healthy'], 'draining'],
    [['draining', undefined, undefined], 'draining'],
    [['draining', 'degraded'], 'draining'],
    [['draining', 'offline'], 'draining'],
    [['offline'], 'offline'],
    [['offline', 'healthy'], 'healthy'],
    [['offline', 'draining', 'healthy'], 'draining'],
  ])('after %j the worker is %s', async (reports, expected) => {
    const { credential } = world.key();
    const id = await world.register(credential);
    for (const status of reports) {
      expect((await world.beat(credential, id, { status })).status).toBe(200);
    }
    expect(await world.statusOf(credential, id)).toBe(expected);
  });

  it('lets a worker that reported offline count again only while a slot is free', async () => {
    const { credential } = world.key({ plan: free });
    const first = await world.register(credential);
    await world.beat(credential, first, { status: 'offline' });
    const second = await world.register(credential);
    const refused = await world.beat(credential, first, { status: 'degraded' });
    expect([refused.status, refused.body['code']]).toEqual([429, 'QUOTA_EXCEEDED']);
    expect(await world.statusOf(credential, first)).toBe('offline');
    await world.beat(credential, second, { status: 'offline' });
    expect((await world.beat(credential, first, { status: 'degraded' })).status).toBe(200);
  });

  it('is taken from a worker that counts already, whatever the plan became', async () => {
    const { organizationId, credential } = world.key();
    const ids = [await world.register(credential), await world.register(credential)];
    const lowered = world.key({ organizationId, plan: { ...free, max_workers: 0 } });
    for (const id of ids) expect((await world.beat(lowered.credential, id)).status).toBe(200);
    await world.beat(lowered.credential, ids[0]!, { status: 'offline' });
    const back = await world.beat(lowered.credential, ids[0]!);
    expect([back.status, back.body['code']]).toEqual([403, 'FEATURE_DISABLED']);
  });

  it('takes hundreds of reports at once, several of them of one worker', async () => {
    const keys = [world.key(), world.key(), world.key()];
    const workers = await Promise.all(
      keys.flatMap(({ credential }) =>
        Array.from({ length: 10 }, async () => ({
          credential,
          id: await world.register(credential),
        })),
      ),
    );
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, turn) =>
        workers.map(({ credential, id }) => world.beat(credential, id, { current_jobs: turn })),
      ).flat(),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    // An unknown worker among them is its caller's answer alone.
    const mixed = await Promise.all([
      world.beat(keys[0]!.credential, 'nobody'),
      ...workers.map(({ credential, id }) => world.beat(credential, id)),
    ]);
    expect(mixed.map(({ status }) => status)).toEqual([404, ...workers.map(() => 200)]);
  });

  it('hints every report to the gateways, and stores no event for it', async () => {
    const { organizationId, credential } = world.key();
    const heard: unknown[] = [];
    world.others.onHint(workerHeartbeat, (data, organization) => {
      if (organization === organizationId) heard.push(data);
    });
    const id = await world.register(credential);
    await eventually(async () => {
      await world.beat(credential, id, { current_jobs: 3, status: 'degraded' });
      expect(heard).toContainEqual({
        worker_id: id,
        status: 'degraded',
        current_job_id: null,
        timestamp: expect.any(String),
        queue_name: 'emails',
        current_jobs: 3,
      });
    });
    expect((await world.events(organizationId)).map(({ type }) => type)).toEqual([
      'WorkerRegistered',
    ]);
  });
});

describe('workers.active on the bus', () => {
  it('counts the healthy workers of the queue and organization', async () => {
    const [{ organizationId, credential }, other] = [world.key(), world.key()];
    const ids = [
      await world.register(credential),
      await world.register(credential),
      await world.register(credential),
    ];
    await world.register(credential, { queue_name: 'reports' });
    await world.register(other.credential);
    await world.beat(credential, ids[1]!, { status: 'degraded' });
    await world.call(credential, 'POST', `/workers/${ids[2]!}/deregister`);
    const ask = (queueName: string) =>
      world.others.request(workersRpc.active, { organizationId, queueName });
    expect(await ask('emails')).toEqual({ healthy: 1 });
    expect(await ask('reports')).toEqual({ healthy: 1 });
    expect(await ask('nothing')).toEqual({ healthy: 0 });
  });
});

describe('workers.presence on the bus', () => {
  it('tells when a worker of the queue was last heard of, also of one that has gone', async () => {
    const [{ organizationId, credential }, other] = [world.key(), world.key()];
    await world.register(other.credential);
    const ask = (queueName: string) =>
      world.others.request(workersRpc.presence, { organizationId, queueName });
    expect(await ask('emails')).toEqual({ healthy: 0, lastSeenAt: null });
    const id = await world.register(credential);
    await world.register(credential, { queue_name: 'reports' });
    const seen = { healthy: 1, lastSeenAt: expect.stringMatching(/^\d{4}-.*Z$/) };
    expect(await ask('emails')).toEqual(seen);
    await world.call(credential, 'POST', `/workers/${id}/deregister`);
    expect(await ask('emails')).toEqual({ ...seen, healthy: 0 });
  });
});

describe('workers.summary on the bus', () => {
  it.each<[string, string[] | null, { total: number; healthy: number; counted: number }]>([
    ['all queues', null, { total: 5, healthy: 2, counted: 3 }],
    ['one queue', ['emails'], { total: 4, healthy: 1, counted: 2 }],
    ['several queues', ['emails', 'reports'], { total: 5, healthy: 2, counted: 3 }],
    ['a queue without workers', ['nothing'], { total: 0, healthy: 0, counted: 0 }],
    ['no queue', [], { total: 0, healthy: 0, counted: 0 }],
  ])('counts the workers of %s', async (_name, queueNames, expected) => {
    const [{ organizationId, credential }, other] = [world.key(), world.key()];
    await world.register(other.credential);
    await world.register(credential, { queue_name: 'reports' });
    await world.register(credential);
    for (const status of ['degraded', 'draining', 'offline']) {
      await world.beat(credential, await world.register(credential), { status });
    }
    const left = await world.register(credential);
    await world.call(credential, 'POST', `/workers/${left}/deregister`);
    expect(await world.others.request(workersRpc.summary, { organizationId, queueNames })).toEqual(
      expected,
    );
  });
});
