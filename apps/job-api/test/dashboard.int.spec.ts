import { workersRpc, type Dashboard } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { createLogger } from '@spooled/telemetry';
import { eventually } from '@spooled/testing';
import { LeaseReaper } from '../src/maintenance/lease-reaper.js';
import { storedJobs } from './model-invariants.js';
import { World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

async function read(tenant: Tenant): Promise<Dashboard> {
  const { status, body, text } = await tenant.call<Dashboard>('GET', '/dashboard');
  if (status !== 200) throw new Error(`dashboard: ${status} ${text}`);
  return body;
}

const scopedTo = ({ organizationId }: Tenant, ...queues: string[]): Tenant =>
  world.key({ organizationId, queues });

async function queuesOf(tenant: Tenant): Promise<string[]> {
  return (await read(tenant)).queues.map(({ name }) => name);
}

async function folded({ organizationId }: Tenant): Promise<void> {
  await eventually(async () => {
    const { rows } = await world.owner.query(
      'select from jobs.counter_delta where organization_id = $1',
      [organizationId],
    );
    expect(rows).toHaveLength(0);
  });
}

describe('GET /dashboard', () => {
  it('is all zeros for an organization that did nothing yet', async () => {
    const before = process.uptime();
    const { system, ...rest } = await read(world.key());
    const after = process.uptime();
    expect(rest).toEqual({
      jobs: {
        total: 0,
        pending: 0,
        processing: 0,
        completed_24h: 0,
        failed_24h: 0,
        deadletter: 0,
        avg_wait_time_ms: null,
        avg_processing_time_ms: null,
      },
      queues: [],
      workers: { total: 0, healthy: 0, unhealthy: 0 },
      recent_activity: { jobs_created_1h: 0, jobs_completed_1h: 0, jobs_failed_1h: 0 },
    });
    expect(system).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      uptime_seconds: expect.any(Number),
      started_at: expect.any(String),
      database_status: 'healthy',
      cache_status: 'healthy',
      environment: 'test',
    });
    const aliveMs = Date.now() - Date.parse(system.started_at);
    expect(Math.abs(aliveMs / 1000 - process.uptime())).toBeLessThan(2);
    expect(system.uptime_seconds).toBeGreaterThan(before - 1);
    expect(system.uptime_seconds).toBeLessThan(after + 1);
  });

  it('wants a key', async () => {
    const { status, body } = await world.request('GET', '/api/v1/dashboard');
    expect({ status, code: body['code'] }).toEqual({ status: 401, code: 'UNAUTHORIZED' });
  });

  it('does not show another organization', async () => {
    await world.key().enqueue();
    const { jobs, queues } = await read(world.key());
    expect([jobs.total, queues]).toEqual([0, []]);
  });

  const steps: readonly [
    what: string,
    act: (tenant: Tenant) => Promise<unknown>,
    jobs: Partial<Dashboard['jobs']>,
    recent: Partial<Dashboard['recent_activity']>,
  ][] = [
    ['a pending job', (t) => t.enqueue(), { total: 1, pending: 1 }, { jobs_created_1h: 1 }],
    [
      'a scheduled job',
      (t) => t.enqueue({ scheduled_at: '2090-01-01T00:00:00Z' }),
      { total: 1, pending: 0 },
      { jobs_created_1h: 1 },
    ],
    ['a leased job', (t) => t.leased(), { total: 1, processing: 1 }, { jobs_created_1h: 1 }],
    [
      'a completed job',
      async (t) => t.complete((await t.leased()).id),
      { total: 1, completed_24h: 1 },
      { jobs_created_1h: 1, jobs_completed_1h: 1 },
    ],
    [
      'a failed try',
      async (t) => t.fail((await t.leased()).id),
      { total: 1, pending: 1, failed_24h: 0 },
      { jobs_created_1h: 1 },
    ],
    [
      'a dead letter',
      (t) => t.deadLetter(),
      { total: 1, deadletter: 1, failed_24h: 1 },
      { jobs_created_1h: 1, jobs_failed_1h: 1 },
    ],
    [
      'a dead letter that was retried',
      async (t) => t.call('POST', `/jobs/${await t.deadLetter()}/retry`),
      { total: 1, pending: 1, deadletter: 0, failed_24h: 1 },
      { jobs_created_1h: 1, jobs_failed_1h: 1 },
    ],
    [
      'a cancelled job',
      async (t) => t.cancel(await t.enqueue()),
      { total: 1 },
      { jobs_created_1h: 1 },
    ],
  ];
  it.each(steps)('counts %s, before and after folding', async (_, act, jobs, recent) => {
    const tenant = world.key();
    const none = await read(tenant);
    await act(tenant);
    const now = await read(tenant);
    expect(now.jobs).toMatchObject({
      ...none.jobs,
      avg_wait_time_ms: now.jobs.avg_wait_time_ms,
      avg_processing_time_ms: now.jobs.avg_processing_time_ms,
      ...jobs,
    });
    expect(now.recent_activity).toEqual({ ...none.recent_activity, ...recent });
    await folded(tenant);
    const later = await read(tenant);
    expect({ ...later, system: now.system }).toEqual(now);
  });

  const HALF_A_DAY_MS = 43_200_000;
  it('averages how long jobs waited and how long they took', async () => {
    const tenant = world.key();
    const ids = [await tenant.enqueue(), await tenant.enqueue()];
    await world.owner.query(
      `update jobs.job set created_at = now() - interval '1 day' where id = $1`,
      [ids[0]],
    );
    await tenant.claim({ limit: 2 });
    const waited = (await read(tenant)).jobs;
    expect(waited.avg_wait_time_ms).toBeGreaterThanOrEqual(HALF_A_DAY_MS);
    expect(waited.avg_wait_time_ms).toBeLessThan(HALF_A_DAY_MS + 600_000);
    expect(waited.avg_processing_time_ms).toBeNull();
    await world.owner.query(
      `update jobs.job_running set started_at = now() - interval '1 day' where id = $1`,
      [ids[0]],
    );
    for (const id of ids) await tenant.complete(id);
    const worked = (await read(tenant)).jobs;
    expect(worked.avg_processing_time_ms).toBeGreaterThanOrEqual(HALF_A_DAY_MS);
    expect(worked.avg_processing_time_ms).toBeLessThan(HALF_A_DAY_MS + 600_000);
  });

  it.each<[how: string, comeBack: (tenant: Tenant, id: string) => Promise<unknown>]>([
    [
      'from the dead letters',
      async (tenant, id) => {
        await tenant.fail(id);
        await tenant.call('POST', `/jobs/${id}/retry`);
      },
    ],
    [
      'from its worker',
      ({ organizationId }) =>
        world.context.get(LeaseReaper).releaseWorker(organizationId, 'w-1', 'requested', null),
    ],
  ])('counts the wait of a job that came back %s since then', async (_, comeBack) => {
    const tenant = world.key();
    const { id } = await tenant.leased({ max_retries: 0 });
    await world.owner.query(
      `update jobs.job set created_at = now() - interval '1 hour' where id = $1`,
      [id],
    );
    await comeBack(tenant, id);
    await tenant.claim();
    expect((await read(tenant)).jobs.avg_wait_time_ms).toBeLessThan(600_000);
  });

  it('forgets activity after an hour and after a day', async () => {
    const tenant = world.key();
    const activity: readonly [ago: string, created: number, completed: number, dead: number][] = [
      ['0 minutes', 1, 2, 3],
      ['45 minutes', 10, 20, 30],
      ['75 minutes', 100, 200, 300],
      ['23 hours', 1000, 2000, 3000],
      ['24 hours 10 minutes', 10_000, 20_000, 30_000],
    ];
    for (const [ago, ...counts] of activity) {
      await world.owner.query(
        `insert into jobs.queue_activity (organization_id, queue_name, bucket, created, completed, deadletter)
         values ($1, 'emails', date_bin('10 minutes', now() - $2::interval, timestamptz 'epoch'), $3, $4, $5)`,
        [tenant.organizationId, ago, ...counts],
      );
    }
    const { jobs, recent_activity } = await read(tenant);
    expect(jobs).toMatchObject({ completed_24h: 2222, failed_24h: 3333 });
    expect(recent_activity).toEqual({
      jobs_created_1h: 11,
      jobs_completed_1h: 22,
      jobs_failed_1h: 33,
    });
  });
});

describe('the queues of a dashboard', () => {
  it('come busiest first, with those that have no jobs', async () => {
    const tenant = world.key();
    for (const name of ['b', 'c', 'c', 'd', 'd', 'd']) await tenant.enqueue({ queue_name: name });
    await tenant.claim({ queue_name: 'd', limit: 2 });
    await tenant.call('PUT', '/queues/a/config', {});
    await tenant.call('POST', '/queues/c/pause');
    await world.owner.query('insert into jobs.scheduled_queue values ($1, $2)', [
      tenant.organizationId,
      'fed',
    ]);
    expect((await read(tenant)).queues).toEqual([
      { name: 'd', pending: 1, processing: 2, paused: false },
      { name: 'c', pending: 2, processing: 0, paused: true },
      { name: 'b', pending: 1, processing: 0, paused: false },
      { name: 'a', pending: 0, processing: 0, paused: false },
      { name: 'fed', pending: 0, processing: 0, paused: false },
    ]);
  });

  it('are 20 at most, and the counts are of all', async () => {
    const tenant = world.key();
    for (let n = 10; n < 35; n += 1) await tenant.enqueue({ queue_name: `q-${n}` });
    await tenant.enqueue({ queue_name: 'q-34' });
    const { jobs, queues } = await read(tenant);
    expect(jobs).toMatchObject({ total: 26, pending: 26 });
    expect(queues).toHaveLength(20);
    expect(queues.slice(0, 2).map(({ name }) => name)).toEqual(['q-34', 'q-10']);
  });
});

describe('a key for some queues', () => {
  it('sees what is in them and nothing else', async () => {
    const tenant = world.key();
    for (const name of ['mine', 'theirs']) {
      await tenant.enqueue({ queue_name: name });
      await tenant.enqueue({ queue_name: name, scheduled_at: '2090-01-01T00:00:00Z' });
      await tenant.deadLetter({ queue_name: `${name}-dead` });
      await tenant.call('PUT', `/queues/${name}-empty/config`, {});
    }
    const scoped = scopedTo(tenant, 'mine', 'mine-dead', 'mine-empty', 'nowhere');
    const { jobs, queues, recent_activity } = await read(scoped);
    expect(queues.map(({ name }) => name)).toEqual(['mine', 'mine-dead', 'mine-empty']);
    expect(jobs).toMatchObject({ total: 3, pending: 1, deadletter: 1, failed_24h: 1 });
    expect(recent_activity).toMatchObject({ jobs_created_1h: 3, jobs_failed_1h: 1 });
    expect((await read(tenant)).jobs).toMatchObject({ total: 6, pending: 2, failed_24h: 2 });
    await folded(tenant);
    expect(await queuesOf(scoped)).toEqual(['mine', 'mine-dead', 'mine-empty']);
    expect(await queuesOf(scopedTo(tenant, 'nowhere'))).toEqual([]);
  });
});

describe('the counts of a dashboard', () => {
  const QUEUES = ['a', 'b', 'c'];
  const pick = <T>(items: readonly T[]): T => items[Math.floor(Math.random() * items.length)]!;

  /** One random thing that can happen to a job of the queue. */
  async function happen(tenant: Tenant, queueName: string): Promise<void> {
    const leased = async () => (await tenant.claim({ queue_name: queueName })).at(0)?.id;
    const withLeased = async (act: (id: string) => Promise<unknown>) => {
      const id = await leased();
      if (id !== undefined) await act(id);
    };
    const enqueue = (over = {}) => tenant.enqueue({ queue_name: queueName, ...over });
    await pick<() => Promise<unknown>>([
      () => enqueue(),
      () => enqueue({ max_retries: 0 }),
      () => enqueue({ scheduled_at: '2090-01-01T00:00:00Z' }),
      async () => tenant.cancel(await enqueue()),
      () => leased(),
      () => withLeased((id) => tenant.complete(id)),
      () => withLeased((id) => tenant.fail(id)),
    ])();
  }

  it('equal a full count after whatever happened', async () => {
    const tenant = world.key();
    for (let n = 0; n < 20; n += 1) {
      await Promise.all(Array.from({ length: 8 }, () => happen(tenant, pick(QUEUES))));
    }
    for (const scope of [[], ['a'], ['b', 'c']]) {
      const all = await storedJobs(tenant);
      const jobs = all.filter(({ queue }) => scope.length === 0 || scope.includes(queue));
      const count = (status: string) => jobs.filter((job) => job.status === status).length;
      const shown = await read(scopedTo(tenant, ...scope));
      expect(shown.jobs).toMatchObject({
        total: jobs.length,
        pending: count('pending'),
        processing: count('processing'),
        deadletter: count('deadletter'),
        completed_24h: count('completed'),
        failed_24h: count('deadletter'),
      });
      expect(shown.recent_activity).toEqual({
        jobs_created_1h: jobs.length,
        jobs_completed_1h: count('completed'),
        jobs_failed_1h: count('deadletter'),
      });
      for (const { name, ...counts } of shown.queues) {
        const there = jobs.filter(({ queue }) => queue === name);
        expect(counts).toMatchObject({
          pending: there.filter(({ status }) => status === 'pending').length,
          processing: there.filter(({ status }) => status === 'processing').length,
        });
      }
      expect(shown.queues.length).toBe(new Set(jobs.map(({ queue }) => queue)).size);
    }
  });
});

describe('what others know', () => {
  it('is asked for within the scope of the key', async () => {
    const registry = new Bus(
      { NATS_URL: world.nats.url, SERVICE_NAME: 'registry' },
      createLogger('test', 'silent'),
    );
    await registry.onModuleInit();
    const asked: object[] = [];
    registry.respond(workersRpc.summary, async (request) => {
      asked.push(request);
      return { total: 5, healthy: 3, counted: 4 };
    });
    try {
      const tenant = world.key();
      const { organizationId } = tenant;
      await eventually(async () => {
        const { workers } = await read(tenant);
        expect(workers).toEqual({ total: 5, healthy: 3, unhealthy: 2 });
      });
      expect(asked.at(-1)).toEqual({ organizationId, queueNames: null });
      await read(scopedTo(tenant, 'a', 'b'));
      expect(asked.at(-1)).toEqual({ organizationId, queueNames: ['a', 'b'] });
    } finally {
      await registry.onApplicationShutdown();
    }
    // It is gone, and the rest is still shown.
    const tenant = world.key();
    await tenant.enqueue();
    const { jobs, workers } = await read(tenant);
    expect([jobs.total, workers.total]).toEqual([1, 0]);
  });

  it('is missing while the bus is away, which is shown', async () => {
    const tenant = world.key();
    await tenant.enqueue();
    await world.nats.stop();
    try {
      await eventually(async () => {
        const { system, jobs } = await read(tenant);
        expect(system).toMatchObject({ cache_status: 'unhealthy', database_status: 'healthy' });
        expect(jobs.total).toBe(1);
      });
    } finally {
      await world.nats.start();
    }
  });
});
