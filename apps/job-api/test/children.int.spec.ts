import { eventually } from '@spooled/testing';
import { SOON_MS, World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup({ environment: { LEASE_REAP_INTERVAL_MS: '100' } });
});
afterAll(() => world.stop());

describe('a job with a parent', () => {
  it('waits, and is claimable in the moment in which its parent completes', async () => {
    const tenant = world.key();
    const parent = await tenant.leased();
    const child = await tenant.enqueue({ parent_job_id: parent.id });
    expect(await tenant.job(child)).toMatchObject({
      status: 'pending',
      parent_job_id: parent.id,
      dependencies_met: false,
    });
    expect(await tenant.claim()).toEqual([]);
    await tenant.complete(parent.id);
    expect(await tenant.job(child)).toMatchObject({ status: 'pending', dependencies_met: true });
    const [job] = await tenant.claim();
    expect(job!.id).toBe(child);
    expect(await tenant.story(child)).toEqual(['JobCreated 1', 'pending→processing 2']);
  });

  it('wakes a claim that waits when its parent completes', async () => {
    const tenant = world.key();
    const parent = await tenant.leased();
    const child = await tenant.enqueue({ parent_job_id: parent.id });
    const claiming = tenant.claim({ wait_secs: 20, worker_id: 'w-2' });
    await tenant.stats();
    const startedAt = performance.now();
    await tenant.complete(parent.id);
    expect((await claiming)[0]!.id).toBe(child);
    expect(performance.now() - startedAt).toBeLessThan(SOON_MS);
  });

  it('waits for its time when that is still to come', async () => {
    const tenant = world.key();
    const parent = await tenant.leased();
    const child = await tenant.enqueue({
      parent_job_id: parent.id,
      scheduled_at: '2090-01-01T00:00:00Z',
    });
    expect(await tenant.statusOf(child)).toBe('pending');
    await tenant.complete(parent.id);
    expect(await tenant.job(child)).toMatchObject({ status: 'pending', dependencies_met: true });
    expect(await tenant.claim()).toEqual([]);
    expect(await tenant.story(child)).toEqual(['JobCreated 1']);
    await tenant.makeDue(child);
    await eventually(async () => (await tenant.claim())[0]?.id === child);
  });

  it('runs at once under a parent that is completed already, and still names it', async () => {
    const tenant = world.key();
    const parent = await tenant.leased();
    await tenant.complete(parent.id);
    const child = await tenant.enqueue({ parent_job_id: parent.id });
    expect(await tenant.job(child)).toMatchObject({
      parent_job_id: parent.id,
      dependencies_met: true,
    });
    expect(await tenant.claim()).toHaveLength(1);
  });

  it('stays waiting while its parent fails and is tried again', async () => {
    const tenant = world.key();
    const parent = await tenant.leased();
    const child = await tenant.enqueue({ parent_job_id: parent.id });
    await tenant.fail(parent.id);
    expect(await tenant.statusOf(child)).toBe('pending');
    await tenant.makeDue(parent.id);
    expect((await tenant.claim({ wait_secs: 20 }))[0]!.id).toBe(parent.id);
    await tenant.complete(parent.id);
    expect((await tenant.claim())[0]!.id).toBe(child);
  });

  const ends: [how: string, end: (tenant: Tenant, id: string) => Promise<unknown>][] = [
    ['is cancelled', (tenant, id) => tenant.cancel(id)],
    [
      'spends its budget',
      async (tenant, id) => {
        await tenant.claim();
        await tenant.fail(id);
      },
    ],
    [
      'loses its last lease',
      async (tenant, id) => {
        await tenant.claim();
        await tenant.expireLease(id);
        await eventually(async () => (await tenant.statusOf(id)) === 'deadletter');
      },
    ],
  ];
  it.each(ends)('is cancelled with all its offspring when the parent %s', async (_, end) => {
    const tenant = world.key();
    const parent = await tenant.enqueue({ max_retries: 0 });
    const child = await tenant.enqueue({ parent_job_id: parent });
    const other = await tenant.enqueue({ parent_job_id: parent });
    const grandchild = await tenant.enqueue({ parent_job_id: child });
    await end(tenant, parent);
    for (const id of [child, other, grandchild]) {
      expect(await tenant.job(id)).toMatchObject({
        status: 'cancelled',
        last_error: 'A dependency did not complete',
        completed_at: expect.any(String),
      });
      expect(await tenant.story(id)).toEqual(['JobCreated 1', 'pending→cancelled 2']);
    }
    expect(await tenant.stats()).toMatchObject({ pending: 0, total: 4 });
    // The parent's own end is told before its children's.
    const told = (await tenant.events()).flatMap(({ data }) =>
      'job_id' in data ? data.job_id : [],
    );
    expect(told.lastIndexOf(parent)).toBeLessThan(told.lastIndexOf(child));
    expect(told.lastIndexOf(child)).toBeLessThan(told.lastIndexOf(grandchild));
  });

  it('cannot be made under a parent of another queue or organization, or one that is lost', async () => {
    const tenant = world.key();
    const reports = await tenant.enqueue({ queue_name: 'reports' });
    const foreign = await world.key().enqueue();
    const cancelled = await tenant.enqueue();
    await tenant.cancel(cancelled);
    const dead = await tenant.deadLetter();
    const doneElsewhere = await tenant.leased({ queue_name: 'other' });
    await tenant.complete(doneElsewhere.id);
    for (const parent of [reports, foreign, cancelled, dead, doneElsewhere.id]) {
      const answer = await tenant.call('POST', '/jobs', {
        queue_name: 'emails',
        payload: 1,
        parent_job_id: parent,
      });
      expect(answer).toMatchObject({ status: 400, body: { code: 'VALIDATION_ERROR' } });
    }
  });

  it('is found again by its idempotency key whatever became of the parent', async () => {
    const tenant = world.key();
    const parent = await tenant.enqueue();
    const request = {
      queue_name: 'emails',
      payload: 1,
      parent_job_id: parent,
      idempotency_key: 'k',
    };
    const first = await tenant.call<{ id: string }>('POST', '/jobs', request);
    await tenant.cancel(parent);
    const again = await tenant.call('POST', '/jobs', request);
    expect(again).toMatchObject({ status: 200, body: { id: first.body.id, created: false } });
  });

  it.each([
    ['completes', 'completed', (tenant: Tenant, id: string) => tenant.complete(id)],
    ['is given up', 'deadletter', (tenant: Tenant, id: string) => tenant.fail(id)],
  ])('never hangs when it is made while its parent %s', async (_, end, settle) => {
    const tenant = world.key();
    for (let round = 0; round < 40; round += 1) {
      const queue_name = `q-${round}`;
      const parent = await tenant.leased({ queue_name, max_retries: 0 });
      const [children] = await Promise.all([
        Promise.all(
          Array.from({ length: 4 }, () =>
            tenant.call<{ id: string }>('POST', '/jobs', {
              queue_name,
              payload: 1,
              parent_job_id: parent.id,
            }),
          ),
        ),
        settle(tenant, parent.id),
      ]);
      for (const { status, body } of children) {
        if (status === 400 && end === 'deadletter') continue;
        expect(status).toBe(201);
        const job = await tenant.job(body.id);
        expect({ status: job.status, met: job.dependencies_met }).toEqual({
          status: end === 'completed' ? 'pending' : 'cancelled',
          met: true,
        });
      }
    }
  });

  it('never hangs when it is made while its parent is cancelled', async () => {
    const tenant = world.key();
    for (let round = 0; round < 40; round += 1) {
      const parent = await tenant.enqueue();
      const [made] = await Promise.all([
        tenant.call<{ id: string }>('POST', '/jobs', {
          queue_name: 'emails',
          payload: 1,
          parent_job_id: parent,
        }),
        tenant.cancel(parent),
      ]);
      if (made.status === 201) expect(await tenant.statusOf(made.body.id)).toBe('cancelled');
      else expect(made.status).toBe(400);
    }
  });
});
