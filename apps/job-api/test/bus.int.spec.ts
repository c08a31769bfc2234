import { jobsRpc, workAvailable, type QueueCounters } from '@spooled/contracts';
import { Signal } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { SOON_MS, World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

describe('jobs.release-worker', () => {
  const release = (tenant: Tenant, workerId: string, cause: 'requested' | 'stale') =>
    world.others.request(jobsRpc.releaseWorker, {
      organizationId: tenant.organizationId,
      workerId,
      cause,
    });

  it('puts the jobs of a worker that left back, at no cost', async () => {
    const tenant = world.key();
    const mine = [await tenant.leased(), await tenant.leased({ max_retries: 0 })];
    await tenant.enqueue();
    const [other] = await tenant.claim({ worker_id: 'w-2' });
    expect(await release(tenant, 'w-1', 'requested')).toEqual({ released: 2 });
    for (const { id } of mine) {
      expect(await tenant.job(id)).toMatchObject({
        status: 'pending',
        retry_count: 0,
        last_error: null,
      });
      expect((await tenant.story(id)).at(-1)).toBe('processing→pending 3');
    }
    expect((await tenant.events()).at(-1)!.data).toMatchObject({ reason: 'worker_deregistered' });
    expect(await tenant.statusOf(other!.id)).toBe('processing');
    expect(await release(tenant, 'w-1', 'requested')).toEqual({ released: 0 });
  });

  it('counts a lost worker as a lost lease', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased({ max_retries: 1 });
    expect(await release(tenant, 'w-1', 'stale')).toEqual({ released: 1 });
    expect(await tenant.job(id)).toMatchObject({
      status: 'pending',
      retry_count: 1,
      last_error: 'Lease expired (worker timeout)',
    });
    expect((await tenant.events()).at(-1)!.data).toMatchObject({ reason: 'worker_lost' });
    await tenant.claim();
    await release(tenant, 'w-1', 'stale');
    expect(await tenant.statusOf(id)).toBe('deadletter');
  });

  it('does not touch a worker of the same name in another organization', async () => {
    const [one, two] = [world.key(), world.key()];
    const { id } = await one.leased();
    expect(await release(two, 'w-1', 'stale')).toEqual({ released: 0 });
    expect(await one.statusOf(id)).toBe('processing');
  });

  it('lets only the next holder settle', async () => {
    const tenant = world.key();
    const { id, lease_id } = await tenant.leased();
    await release(tenant, 'w-1', 'requested');
    expect(await tenant.complete(id, { lease_id })).toMatchObject({
      status: 409,
      body: { code: 'LEASE_EXPIRED' },
    });
    await tenant.claim({ worker_id: 'w-2' });
    expect((await tenant.complete(id, { worker_id: 'w-2' })).status).toBe(200);
  });
});

describe('jobs.snapshot', () => {
  const snapshot = (tenant: Tenant, jobId: string) =>
    world.others.request(jobsRpc.snapshot, { organizationId: tenant.organizationId, jobId });

  it('tells where a job stands, by the revision of its last event', async () => {
    const tenant = world.key();
    const jobId = await tenant.enqueue();
    const job = { jobId, queueName: 'emails' };
    expect(await snapshot(tenant, jobId)).toEqual({ job: { ...job, status: 'pending', rev: 1 } });
    await tenant.claim();
    expect(await snapshot(tenant, jobId)).toEqual({
      job: { ...job, status: 'processing', rev: 2 },
    });
    await tenant.complete(jobId);
    expect(await snapshot(tenant, jobId)).toEqual({ job: { ...job, status: 'completed', rev: 3 } });
  });

  it('is null for what is unknown, malformed or foreign', async () => {
    const tenant = world.key();
    const foreign = await world.key().enqueue();
    for (const id of [randomUUID(), 'x', foreign]) {
      expect(await snapshot(tenant, id)).toEqual({ job: null });
    }
  });
});

describe('jobs.counters', () => {
  const counters = async (tenant: Tenant, ...queueNames: string[]): Promise<QueueCounters[]> => {
    const { organizationId } = tenant;
    return (await world.others.request(jobsRpc.counters, { organizationId, queueNames })).queues;
  };
  const zeros = {
    pending: 0,
    scheduled: 0,
    processing: 0,
    completed: 0,
    deadletter: 0,
    cancelled: 0,
    paused: false,
  };

  it('counts the named queues, zeros for the unknown', async () => {
    const tenant = world.key();
    await tenant.enqueue();
    await tenant.enqueue({ queue_name: 'b', scheduled_at: '2090-01-01T00:00:00Z' });
    await tenant.enqueue({ queue_name: 'unasked' });
    const found = await counters(tenant, 'emails', 'b', 'c');
    expect(found.toSorted((a, b) => (a.queueName < b.queueName ? -1 : 1))).toEqual([
      { ...zeros, queueName: 'b', scheduled: 1 },
      { ...zeros, queueName: 'c' },
      { ...zeros, queueName: 'emails', pending: 1 },
    ]);
  });

  it('know of a pause, with or without jobs', async () => {
    const tenant = world.key();
    await tenant.enqueue();
    await tenant.call('POST', '/queues/emails/pause');
    await tenant.call('PUT', '/queues/empty/config', { enabled: false });
    const found = await counters(tenant, 'emails', 'empty');
    expect(found.map(({ paused }) => paused)).toEqual([true, true]);
  });
});

describe('jobs.health', () => {
  it('says that the database answers', async () => {
    expect(await world.others.request(jobsRpc.health, {})).toEqual({ database: true });
  });
});

describe('the work hint', () => {
  it('names the queues that got claimable jobs, once for a bulk', async () => {
    const tenant = world.key();
    const heard = new Signal<readonly string[]>();
    world.others.onHint(workAvailable, ({ queueNames }, organizationId) => {
      if (organizationId === tenant.organizationId) heard.fire(queueNames);
    });
    await world.others.connection.flush();
    const jobs = Array.from({ length: 5 }, () => ({ payload: 1 }));
    await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
    expect(await heard.next()).toEqual(['emails']);
    expect(heard.waiting).toBe(0);
  });

  it('of another instance wakes a claim that waits here', async () => {
    const tenant = world.key();
    const claiming = tenant.claim({ wait_secs: 20 });
    await tenant.stats();
    // As another instance would: a row, then the hint.
    const id = randomUUID();
    await world.owner.query(
      `with a as (
         insert into jobs.job (organization_id, id, queue_name, payload, max_retries, timeout_seconds, created_at)
         values ($1, $2, 'emails', '1', 3, 300, now())
       )
       insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, updated_at)
       values ($1, $2, 'emails', 0, 0, 1, now())`,
      [tenant.organizationId, id],
    );
    const startedAt = performance.now();
    world.others.hint(workAvailable, tenant.organizationId, {
      queueNames: ['emails'],
      instance: 'another',
    });
    expect((await claiming).map((job) => job.id)).toEqual([id]);
    expect(performance.now() - startedAt).toBeLessThan(SOON_MS);
  });

  it('survives messages that are no JSON', async () => {
    const tenant = world.key();
    const { connection } = world.others;
    for (const subject of ['work', 'auth']) {
      connection.publish(`spooled.v1.hint.${subject}.${tenant.organizationId}`, '{not json');
      connection.publish(`spooled.v1.hint.${subject}.${tenant.organizationId}`, '[]');
    }
    connection.publish(jobsRpc.snapshot.subject, '{not json');
    await connection.flush();
    const claiming = tenant.claim({ wait_secs: 20 });
    const id = await tenant.enqueue();
    expect((await claiming)[0]!.id).toBe(id);
    expect(await world.others.request(jobsRpc.health, {})).toEqual({ database: true });
  });
});

describe('completion webhooks', () => {
  const organizations = async (): Promise<Map<string, number>> => {
    const answer = await world.others.request(jobsRpc.completionWebhookOrganizations, {
      after: null,
      limit: 1000,
    });
    return new Map(
      answer.organizations.map(({ organizationId, newestSeq }) => [organizationId, newestSeq]),
    );
  };
  const hook = { completion_webhook: 'https://example.com/hook' };

  it('are known by organization, with where the log stood before the first such job', async () => {
    const [tenant, plain] = [world.key(), world.key()];
    await tenant.enqueue();
    await plain.enqueue();
    expect((await organizations()).has(tenant.organizationId)).toBe(false);
    await Promise.all([tenant.enqueue(hook), tenant.enqueue(hook), tenant.enqueue(hook)]);
    await tenant.enqueue(hook);
    const known = await organizations();
    expect(known.get(tenant.organizationId)).toBe(1);
    expect(known.has(plain.organizationId)).toBe(false);
  });

  it('are listed page by page', async () => {
    for (let count = 0; count < 3; count += 1) await world.key().enqueue(hook);
    const all = [...(await organizations()).keys()];
    expect(all).toEqual([...all].sort());
    const next = await world.others.request(jobsRpc.completionWebhookOrganizations, {
      after: all[0]!,
      limit: 1,
    });
    expect(next.organizations.map(({ organizationId }) => organizationId)).toEqual([all[1]]);
  });

  it('are told of the jobs of one organization that have them', async () => {
    const [tenant, stranger] = [world.key(), world.key()];
    const plain = await tenant.enqueue();
    const hooked = await tenant.enqueue(hook);
    const secret = await tenant.enqueue({ ...hook, completion_webhook_secret: 's' });
    const foreign = await stranger.enqueue(hook);
    const jobIds = [plain, hooked, secret, foreign, randomUUID()];
    const { webhooks } = await world.others.request(jobsRpc.completionWebhooks, {
      organizationId: tenant.organizationId,
      jobIds,
    });
    const url = hook.completion_webhook;
    expect(new Set(webhooks)).toEqual(
      new Set([
        { jobId: hooked, url, secret: null },
        { jobId: secret, url, secret: 's' },
      ]),
    );
  });
});
