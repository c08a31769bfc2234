import { workersRpc, type Why } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { World, type Tenant } from './setup.js';

let world: World;
/** What the registry says of every queue. */
let presence: { healthy: number; lastSeenAt: string | null };

beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

const why = async (tenant: Tenant, id: string) =>
  (await tenant.call<Why>('GET', `/jobs/${id}/why`)).body;

describe('GET /jobs/{id}/why', () => {
  it('says that nothing is known of the workers while nobody answers for them', async () => {
    const tenant = world.key();
    expect(await why(tenant, await tenant.enqueue())).toMatchObject({
      reason: 'ready',
      message: expect.stringContaining('not known'),
      details: { workers_known: false },
    });
  });

  it.each(['x', randomUUID()])('does not know %j', async (id) => {
    const answer = await world.key().call('GET', `/jobs/${id}/why`);
    expect(answer).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  });

  it('does not know a job of another organization, or of a queue outside the scope', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue();
    const scoped = world.key({ organizationId: tenant.organizationId, queues: ['reports'] });
    for (const stranger of [world.key(), scoped]) {
      expect(await stranger.call('GET', `/jobs/${id}/why`)).toMatchObject({ status: 404 });
    }
  });
});

describe('GET /jobs/{id}/why, with a registry', () => {
  beforeAll(async () => {
    world.others.respond(workersRpc.presence, async () => presence);
    const [tenant] = [world.key()];
    const id = await tenant.enqueue();
    presence = { healthy: 1, lastSeenAt: new Date().toISOString() };
    await eventually(async () => {
      expect((await why(tenant, id)).details.workers_known).toBe(true);
    });
  });
  beforeEach(() => {
    presence = { healthy: 1, lastSeenAt: new Date().toISOString() };
  });

  const future = '2090-01-01T00:00:00Z';

  const cases: readonly (readonly [
    name: string,
    make: (tenant: Tenant) => Promise<string>,
    expected: object,
  ])[] = [
    [
      'waits for a dependency',
      async (tenant) => {
        const parent = await tenant.enqueue();
        const id = await tenant.enqueue();
        await tenant.call('POST', `/jobs/${id}/dependencies`, { depends_on: [parent] });
        return id;
      },
      {
        status: 'pending',
        reason: 'waiting_for_dependencies',
        details: {
          dependency_mode: 'all',
          dependencies_total: 1,
          dependencies_missing: 1,
          dependency_ids: [expect.any(String)],
        },
      },
    ],
    [
      'is scheduled',
      (tenant) => tenant.enqueue({ scheduled_at: future }),
      {
        status: 'scheduled',
        reason: 'scheduled',
        details: { eligible_at: '2090-01-01T00:00:00.000Z' },
      },
    ],
    [
      'backs off',
      async (tenant) => {
        const { id } = await tenant.leased();
        await tenant.fail(id);
        // On a slow machine the backoff would be over before the question.
        await world.owner.query('update jobs.job_deferred set due_at = $2 where id = $1', [
          id,
          future,
        ]);
        return id;
      },
      {
        status: 'pending',
        reason: 'backing_off',
        message: expect.stringContaining('attempt 2 of 4'),
        details: { attempt: 2, max_attempts: 4, last_error: 'boom', worker_id: 'w-1' },
      },
    ],
    [
      'is in a paused queue',
      async (tenant) => {
        const id = await tenant.enqueue({ expires_at: future });
        await tenant.call('POST', '/queues/emails/pause', {});
        return id;
      },
      {
        reason: 'queue_paused',
        details: { queue_paused: true, expires_at: '2090-01-01T00:00:00.000Z' },
      },
    ],
    [
      'has no worker',
      async (tenant) => {
        presence = { healthy: 0, lastSeenAt: null };
        return tenant.enqueue();
      },
      { reason: 'no_workers', details: { workers_known: true, healthy_workers: 0 } },
    ],
    [
      'has others ahead: those of a higher priority, and the older ones of its own',
      async (tenant) => {
        await tenant.enqueue({ priority: -1 });
        await tenant.enqueue({ priority: 3 });
        await tenant.enqueue({ queue_name: 'reports', priority: 3 });
        const id = await tenant.enqueue({ priority: 3 });
        await tenant.enqueue({ priority: 3 });
        await tenant.enqueue({ priority: 4 });
        return id;
      },
      { reason: 'jobs_ahead', details: { jobs_ahead: 2, jobs_ahead_capped: false } },
    ],
    [
      'is next while workers are busy',
      async (tenant) => {
        await tenant.leased();
        return tenant.enqueue();
      },
      { reason: 'workers_busy', details: { jobs_processing: 1, jobs_ahead: 0 } },
    ],
    ['is next', (tenant) => tenant.enqueue(), { reason: 'ready', details: { healthy_workers: 1 } }],
    [
      'runs',
      async (tenant) => (await tenant.leased()).id,
      {
        status: 'processing',
        reason: 'running',
        details: { attempt: 1, worker_id: 'w-1', lease_expires_at: expect.any(String) },
      },
    ],
    [
      'lost its lease',
      async (tenant) => {
        const { id } = await tenant.leased();
        await tenant.expireLease(id);
        return id;
      },
      { status: 'processing', reason: 'lease_expired' },
    ],
    [
      'completed',
      async (tenant) => {
        const { id } = await tenant.leased();
        await tenant.complete(id);
        return id;
      },
      { status: 'completed', reason: 'completed', details: { completed_at: expect.any(String) } },
    ],
    [
      'was cancelled',
      async (tenant) => {
        const id = await tenant.enqueue();
        await tenant.cancel(id);
        return id;
      },
      { status: 'cancelled', reason: 'cancelled' },
    ],
    [
      'is a dead letter',
      (tenant) => tenant.deadLetter(),
      {
        status: 'deadletter',
        reason: 'dead_lettered',
        details: { last_error: 'boom', dead_letter_reason: 'retries spent', attempt: 1 },
      },
    ],
  ];

  it.each(cases)('knows a job that %s', async (_, make, expected) => {
    const tenant = world.key();
    const id = await make(tenant);
    expect(await why(tenant, id)).toMatchObject({ job_id: id, ...expected });
  });

  it('knows that the rate limit of a queue is used up', async () => {
    const tenant = world.key();
    await tenant.call('PUT', '/queues/emails/config', { rate_limit: 1 });
    const id = await tenant.enqueue({ priority: -5 });
    await eventually(async () => {
      await tenant.enqueue();
      await tenant.claim();
      expect(await why(tenant, id)).toMatchObject({
        reason: 'rate_limited',
        details: { rate_limit: 1, claimed_last_second: 1 },
      });
    });
  });

  it('names no dependency outside the scope of the key, and counts it', async () => {
    const tenant = world.key();
    const parent = await tenant.enqueue({ queue_name: 'secret' });
    const id = await tenant.enqueue();
    await tenant.call('POST', `/jobs/${id}/dependencies`, { depends_on: [parent] });
    const scoped = world.key({ organizationId: tenant.organizationId, queues: ['emails'] });
    expect((await why(scoped, id)).details).toMatchObject({
      dependencies_missing: 1,
      dependency_ids: [],
    });
  });
});
