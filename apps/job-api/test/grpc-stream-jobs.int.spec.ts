import { eventually, type GrpcClient } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { claims, JobStream, queueClient, sweep } from './grpc-worker.js';
import { expectAhead, World, type Tenant } from './setup.js';

let world: World;
let client: GrpcClient;
beforeAll(async () => {
  world = await World.setup();
  client = queueClient(world);
});
afterAll(() => world.stop());

const stream = (tenant: Tenant, request: object = {}) =>
  new JobStream(client, tenant, { ...request });

async function enqueueMany(tenant: Tenant, count: number, payload: unknown = 1): Promise<void> {
  for (let left = count; left > 0; left -= 100) {
    const jobs = Array.from({ length: Math.min(left, 100) }, () => ({ payload }));
    const { body } = await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
    expect(body['success_count']).toBe(jobs.length);
  }
}

const complete = (tenant: Tenant, job: { id: string; lease_id: string }) =>
  client.call(
    'Complete',
    { job_id: job.id, worker_id: 'w-1', lease_id: job.lease_id },
    { 'x-api-key': tenant.credential },
  );

/** A job that nobody is told of, as if the hint had been lost. */
async function enqueueSilently({ organizationId }: Tenant): Promise<string> {
  const id = randomUUID();
  await world.owner.query(
    `with a as (
       insert into jobs.job (organization_id, id, queue_name, payload, max_retries, timeout_seconds, created_at)
       values ($1, $2, 'emails', '1', 3, 300, now())
     )
     insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, updated_at)
     values ($1, $2, 'emails', 0, 0, 1, now())`,
    [organizationId, id],
  );
  return id;
}

describe('StreamJobs', () => {
  it('sends headers at once, and nothing else while there is no job', async () => {
    const pushed = await stream(world.key()).opened();
    expect(pushed).toMatchObject({ jobs: [], ending: undefined });
    pushed.cancel();
    expect(await pushed.ended()).toMatchObject({ code: 'CANCELLED' });
  });

  it('pushes each job leased to the worker, as GetJob tells it', async () => {
    const tenant = world.key();
    const waiting = await tenant.enqueue({ payload: { n: 1 } });
    const pushed = stream(tenant, { lease_duration_secs: 60 });
    await pushed.got(1);
    const later = await tenant.enqueue({ payload: { n: 2 }, tags: ['x'] });
    await pushed.got(2);
    expect(pushed.ids).toEqual([waiting, later]);
    for (const job of pushed.jobs) {
      const headers = { 'x-api-key': tenant.credential };
      expect(await client.call('GetJob', { job_id: job.id }, headers)).toEqual({ job });
      expect(job).toMatchObject({
        status: 'JOB_STATUS_PROCESSING',
        assigned_worker_id: 'w-1',
        lease_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      expect(await complete(tenant, job)).toEqual({ success: true });
      expect(await tenant.statusOf(job.id)).toBe('completed');
    }
    expect(await tenant.story(later)).toEqual([
      'JobCreated 1',
      'pending→processing 2',
      'processing→completed 3',
      'JobCompleted 3',
    ]);
  });

  it.each<[lease: number, secs: number]>([
    [0, 300],
    [-1, 300],
    [1, 5],
    [9999, 3600],
  ])('with a lease of %d seconds grants %d', async (lease_duration_secs, secs) => {
    const tenant = world.key();
    await tenant.enqueue();
    await expectAhead(secs, async () => {
      const [job] = await stream(tenant, { lease_duration_secs }).got(1);
      return job!['lease_expires_at'] as Date;
    });
  });

  it.each<[what: string, request: object, code: string, words: string]>([
    ['no worker', { worker_id: '' }, 'INVALID_ARGUMENT', 'Worker ID'],
    ['no queue', { queue_name: '' }, 'INVALID_ARGUMENT', 'Queue name'],
    ['a bad queue', { queue_name: 'a b' }, 'INVALID_ARGUMENT', 'alphanumeric'],
    ['another queue', { queue_name: 'reports' }, 'PERMISSION_DENIED', 'reports'],
  ])('refuses %s before anything else', async (_, request, code, words) => {
    const pushed = stream(world.key({ queues: ['emails'] }), request);
    expect(await pushed.ended()).toEqual({ code, details: expect.stringContaining(words) });
    expect(pushed.jobs).toEqual([]);
  });

  it('wants a good key', async () => {
    const tenant = world.key();
    world.changeKey(tenant, undefined);
    const pushed = stream(tenant);
    expect(await pushed.ended()).toEqual({
      code: 'UNAUTHENTICATED',
      details: expect.stringContaining('Invalid'),
    });
  });

  /** However a job becomes claimable, a stream that waits is told: the loop that looks for it comes too late. */
  it.each<[how: string, become: (tenant: Tenant) => Promise<string>]>([
    ['is enqueued', (tenant) => tenant.enqueue()],
    [
      'is enqueued over gRPC',
      async (tenant) => {
        const headers = { 'x-api-key': tenant.credential };
        const answer = await client.call('Enqueue', { queue_name: 'emails' }, headers);
        return answer['job_id'] as string;
      },
    ],
    [
      'is due',
      (tenant) => tenant.enqueue({ scheduled_at: new Date(Date.now() + 200).toISOString() }),
    ],
    [
      'is retried as a dead letter',
      async (tenant) => {
        const id = await tenant.deadLetter({ queue_name: 'emails' });
        await tenant.call('POST', `/jobs/${id}/retry`);
        return id;
      },
    ],
    [
      'has a parent that completes',
      async (tenant) => {
        const { body } = await tenant.call<{ job_ids: { key: string; job_id: string }[] }>(
          'POST',
          '/workflows',
          {
            name: 'two',
            jobs: [
              { key: 'a', queue_name: 'parents', payload: {} },
              { key: 'b', queue_name: 'emails', payload: {}, depends_on: ['a'] },
            ],
          },
        );
        const [parent] = await tenant.claim({ queue_name: 'parents' });
        await tenant.complete(parent!.id);
        return body.job_ids.find(({ key }) => key === 'b')!.job_id;
      },
    ],
  ])('pushes a job that %s', async (how, become) => {
    const tenant = world.key();
    // A dead letter is made by a worker of its own before somebody waits.
    const pushed = how.includes('dead letter') ? undefined : await stream(tenant).opened();
    const id = await become(tenant);
    const waiting = pushed ?? stream(tenant);
    await waiting.got(1);
    expect(waiting.ids).toEqual([id]);
  });

  it('pushes a job that another instance tells of', async () => {
    const tenant = world.key();
    const pushed = await stream(tenant).opened();
    const id = await enqueueSilently(tenant);
    world.announceElsewhere(tenant, 'emails');
    expect((await pushed.got(1)).map((job) => job.id)).toEqual([id]);
  });

  it('pushes jobs that nobody told of when the loop comes round', async () => {
    const tenant = world.key();
    const pushed = await stream(tenant).opened();
    const ids = [await enqueueSilently(tenant), await enqueueSilently(tenant)];
    await sweep(world);
    await pushed.got(2);
    expect(pushed.ids.toSorted()).toEqual(ids.toSorted());
  });

  it('stays open while the queue is paused, and delivers when it is resumed', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue();
    await tenant.call('POST', '/queues/emails/pause');
    const pushed = await stream(tenant).opened();
    await sweep(world);
    expect(pushed).toMatchObject({ jobs: [], ending: undefined });
    await tenant.call('POST', '/queues/emails/resume');
    await pushed.got(1);
    expect(pushed.ids).toEqual([id]);
  });

  it('gets from a limited queue what its limit allows, and no less', async () => {
    const tenant = world.key();
    await tenant.call('PUT', '/queues/emails/config', { rate_limit: 20 });
    await enqueueMany(tenant, 60);
    const streams = [stream(tenant), stream(tenant, { worker_id: 'w-2' })];
    const startedAt = performance.now();
    await eventually(() => streams.flatMap(({ jobs }) => jobs).length === 60);
    const secs = (performance.now() - startedAt) / 1000;
    expect(secs).toBeGreaterThan(2);
    for (const each of streams) each.cancel();
  });

  it('waits when the caller asks too often, and goes on', async () => {
    const tenant = world.key({
      plan: { rate_limit_requests_per_second: 2, rate_limit_burst: 4 },
    });
    await enqueueMany(world.key({ organizationId: tenant.organizationId }), 30);
    const pushed = stream(tenant);
    await eventually(() => pushed.jobs.length === 30, { timeoutMs: 120_000 });
    expect(new Set(pushed.ids).size).toBe(30);
    expect(pushed.ending).toBeUndefined();
    pushed.cancel();
  });
});

describe('many streams on one queue', () => {
  /** Waits until so many more have looked for jobs in vain, and answers the claims so far. */
  async function looked(more: number, before: number): Promise<number> {
    await eventually(async () => expect(await claims(world)).toBeGreaterThanOrEqual(before + more));
    return claims(world);
  }

  it('get each job once, and ask the database little', async () => {
    const tenant = world.key();
    const start = await claims(world);
    const streams = Array.from({ length: 200 }, (_, n) => stream(tenant, { worker_id: `w-${n}` }));
    const before = await looked(200, start);
    await enqueueMany(tenant, 100);
    const got = (): string[] => streams.flatMap(({ ids }) => ids);
    await eventually(() => got().length >= 100);
    await sweep(world);
    expect(got()).toHaveLength(100);
    expect(new Set(got()).size).toBe(100);
    // Fair, too: whoever waits longest gets the next one.
    expect(Math.max(...streams.map(({ jobs }) => jobs.length))).toBe(1);
    expect((await claims(world)) - before).toBeLessThanOrEqual(110);
    expect(await tenant.stats()).toMatchObject({ pending: 0, processing: 100 });
    for (const each of streams) each.cancel();
    await Promise.all(streams.map((each) => each.ended()));
  });

  it('claim nothing while there is nothing', async () => {
    const tenant = world.key();
    const start = await claims(world);
    const streams = Array.from({ length: 50 }, (_, n) => stream(tenant, { queue_name: `q-${n}` }));
    const before = await looked(50, start);
    await sweep(world);
    expect(await claims(world)).toBe(before);
    for (const each of streams) each.cancel();
  });

  it('and claims that wait share the jobs of a moment', async () => {
    const tenant = world.key();
    const start = await claims(world);
    const pushed = [stream(tenant), stream(tenant)];
    const before = await looked(2, start);
    const waiting = Array.from({ length: 2 }, () => tenant.claim({ wait_secs: 20 }));
    await looked(2, before);
    await enqueueMany(tenant, 4);
    const claimed = (await Promise.all(waiting)).flat();
    expect(claimed).toHaveLength(2);
    await eventually(() => pushed.every(({ jobs }) => jobs.length === 1));
  });
});

describe('a key of an open stream', () => {
  it('that is revoked ends it', async () => {
    const tenant = world.key();
    const pushed = await stream(tenant).opened();
    world.changeKey(tenant, undefined);
    expect(await pushed.ended()).toMatchObject({ code: 'UNAUTHENTICATED' });
    const other = world.key({ organizationId: tenant.organizationId });
    const id = await other.enqueue();
    await sweep(world);
    expect(await other.statusOf(id)).toBe('pending');
  });

  it('that is revoked without anybody saying so ends it all the same', async () => {
    const tenant = world.key();
    const pushed = await stream(tenant).opened();
    world.changeKey(tenant, undefined, { isSilent: true });
    expect(await pushed.ended()).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('that loses the queue ends it, and leaves its jobs to others', async () => {
    const tenant = world.key({ queues: ['emails', 'reports'] });
    const pushed = await stream(tenant).opened();
    const stays = await stream(tenant, { queue_name: 'reports' }).opened();
    world.changeKey(tenant, { queues: ['reports'] });
    expect(await pushed.ended()).toEqual({
      code: 'PERMISSION_DENIED',
      details: expect.stringContaining('emails'),
    });
    expect(stays.ending).toBeUndefined();
  });
});

describe('a stream that ends between claim and delivery', () => {
  it('gives its job back at once', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue();
    const blocker = await world.client();
    await blocker.query('begin');
    await blocker.query('lock table jobs.job_running in share mode');
    const pushed = await stream(tenant, { worker_id: 'gone' }).opened();
    await eventually(async () => {
      const { rows } = await world.owner.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return rows.length > 0;
    });
    pushed.cancel();
    await pushed.ended();
    await blocker.query('rollback');
    await eventually(async () => {
      expect(await tenant.story(id)).toEqual([
        'JobCreated 1',
        'pending→processing 2',
        'processing→pending 3',
      ]);
    });
    expect(await tenant.job(id)).toMatchObject({ retry_count: 0, lease_id: null });
    expect(pushed.jobs).toEqual([]);
    const next = await stream(tenant).got(1);
    expect(next).toMatchObject([{ id, retry_count: 0 }]);
  });
});

describe('a reader that stops reading', () => {
  it('holds no more small jobs than a stream may leave unsettled', async () => {
    const tenant = world.key();
    const stalled = await stream(tenant, { worker_id: 'stalled' }).opened();
    stalled.call.pause();
    await enqueueMany(tenant, 300);
    await eventually(async () => {
      expect(await tenant.stats()).toMatchObject({ pending: 200, processing: 100 });
    });
    await sweep(world);
    expect(await tenant.stats()).toMatchObject({ pending: 200, processing: 100 });
    const other = stream(tenant);
    await other.got(100);
    stalled.cancel();
  });

  it('holds what fills its window of large ones; the rest is for others at once', async () => {
    const tenant = world.key();
    const stalled = await stream(tenant, { worker_id: 'stalled' }).opened();
    stalled.call.pause();
    await enqueueMany(tenant, 60, { text: 'x'.repeat(30_000) });
    const other = stream(tenant);
    await eventually(async () => {
      const { pending, processing } = await tenant.stats();
      expect({ pending, processing }).toEqual({ pending: 0, processing: 60 });
      // Of the rest the client itself has most: it reads 16 messages ahead.
      expect(other.jobs.length).toBeGreaterThan(35);
    });
    for (const { retry_count } of other.jobs) expect(retry_count).toBe(0);
    stalled.cancel();
    other.cancel();
  });

  it('gives back at its end what it was not sent', async () => {
    const tenant = world.key();
    const stalled = await stream(tenant, { worker_id: 'stalled' }).opened();
    stalled.call.pause();
    await enqueueMany(tenant, 40, { text: 'x'.repeat(30_000) });
    // It claims, gives back what is not taken from it, and tries again with less until its window is full.
    let processing = 0;
    await eventually(
      async () => {
        const before = processing;
        ({ processing } = await tenant.stats());
        return processing > 0 && processing < 30 && processing === before;
      },
      { intervalMs: 1500 },
    );
    stalled.cancel();
    await stalled.ended();
    await eventually(async () => {
      expect((await tenant.stats()).processing).toBeLessThan(processing);
    });
    const told = (await tenant.events()).flatMap(({ data }) =>
      'reason' in data ? data.reason : [],
    );
    expect(new Set(told)).toEqual(new Set(['not_delivered']));
  });

  it('gets the rest when it reads again', async () => {
    const tenant = world.key();
    const slow = await stream(tenant).opened();
    slow.call.pause();
    await enqueueMany(tenant, 50, { text: 'x'.repeat(30_000) });
    await sweep(world);
    slow.call.resume();
    await slow.got(50);
    expect(new Set(slow.ids).size).toBe(50);
    slow.cancel();
  });
});

describe('a stop of the service', () => {
  it('ends the streams so that their clients come again, and leases nothing to them', async () => {
    const tenant = world.key();
    const pushed = await stream(tenant).opened();
    await tenant.enqueue();
    const [job] = await pushed.got(1);
    await world.context.close();
    expect(await pushed.ended()).toMatchObject({ code: 'UNAVAILABLE' });
    await world.boot();
    client = queueClient(world);
    expect(await complete(tenant, job!)).toEqual({ success: true });
  });
});
