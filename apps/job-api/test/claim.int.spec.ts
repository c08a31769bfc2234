import type { ClaimedJob } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { LeaseReaper } from '../src/maintenance/lease-reaper.js';
import { expectAhead, SOON_MS, World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

const ids = (jobs: readonly { id: string }[]) => jobs.map(({ id }) => id);
const post = (tenant: Tenant, over: object) =>
  tenant.call('POST', '/jobs/claim', { queue_name: 'emails', worker_id: 'w-1', ...over });

/** A job at the head of the queue, behind which the last claim got already: put there by an instance whose hint was lost. */
async function unheardOf(tenant: Tenant): Promise<string> {
  const id = await tenant.enqueue({ priority: 1 });
  const { rows } = await world.owner.query(
    `delete from jobs.job_ready where id = $1 returning to_json(job_ready)`,
    [id],
  );
  await tenant.enqueue();
  await tenant.claim();
  await world.owner.query(
    `insert into jobs.job_ready select * from json_populate_record(null::jobs.job_ready, $1)`,
    [rows[0].to_json],
  );
  return id;
}

describe('POST /jobs/claim', () => {
  it('leases a job to the worker: body, lease and state agree', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue({ payload: { a: 1 }, tags: ['x'], priority: 3 });
    let job: ClaimedJob | undefined;
    await expectAhead(60, async () => {
      [job] = await tenant.claim({ lease_duration_secs: 60 });
      return new Date(job!.lease_expires_at);
    });
    expect(job).toEqual({
      id,
      queue_name: 'emails',
      payload: { a: 1 },
      retry_count: 0,
      max_retries: 3,
      timeout_seconds: 300,
      lease_expires_at: expect.any(String),
      lease_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      priority: 3,
      tags: ['x'],
      created_at: expect.any(String),
      workflow_id: null,
      traceparent: null,
    });
    expect(await tenant.job(id)).toMatchObject({
      status: 'processing',
      assigned_worker_id: 'w-1',
      lease_id: job!.lease_id,
      lease_expires_at: job!.lease_expires_at,
      started_at: expect.any(String),
    });
    expect(await tenant.story(id)).toEqual(['JobCreated 1', 'pending→processing 2']);
  });

  it('leases for 30 seconds when no duration is named', async () => {
    const tenant = world.key();
    await tenant.enqueue();
    await expectAhead(30, async () => {
      const [job] = await tenant.claim({ lease_duration_secs: undefined });
      return new Date(job!.lease_expires_at);
    });
  });

  it('takes by priority from high to low, then in order of insertion', async () => {
    const tenant = world.key();
    const made: [priority: number, id: string][] = [];
    for (const priority of [0, 5, -5, 5, 100, 0, -100]) {
      made.push([priority, await tenant.enqueue({ priority })]);
    }
    const expected = made.toSorted(([a], [b]) => b - a).map(([, id]) => id);
    const first = await tenant.claim({ limit: 3 });
    const rest = await tenant.claim({ limit: 100 });
    expect([...ids(first), ...ids(rest)]).toEqual(expected);
  });

  it('gives a job that came back after a failure the place of its age', async () => {
    const tenant = world.key();
    const old = await tenant.enqueue();
    await tenant.claim();
    await tenant.call('POST', `/jobs/${old}/fail`, { worker_id: 'w-1', error: 'once' });
    const young = await tenant.enqueue();
    await eventually(async () => {
      const { rows } = await world.owner.query(
        'select from jobs.job_ready where organization_id = $1',
        [tenant.organizationId],
      );
      return rows.length === 2;
    });
    const taken = [await tenant.claim({ limit: 1 }), await tenant.claim({ limit: 1 })].flat();
    expect(ids(taken)).toEqual([old, young]);
  });

  describe('keeps to that order when, after a claim,', () => {
    const changes: readonly [
      what: string,
      change: (tenant: Tenant, claimed: ClaimedJob) => Promise<string>,
    ][] = [
      ['a job of higher priority is made', (tenant) => tenant.enqueue({ priority: 1 })],
      [
        'a waiting job gets a higher priority',
        async (tenant) => {
          const id = await tenant.enqueue();
          await tenant.call('PUT', `/jobs/${id}/priority`, { priority: 1 });
          return id;
        },
      ],
      [
        'a job comes back from its worker',
        async ({ organizationId }, { id }) => {
          await world.context
            .get(LeaseReaper)
            .releaseWorker(organizationId, 'w-1', 'requested', null);
          return id;
        },
      ],
      [
        'an older job comes back from the dead letters',
        async (tenant, { id }) => {
          await tenant.fail(id);
          await tenant.call('POST', `/jobs/${id}/retry`);
          return id;
        },
      ],
    ];
    it.each(changes)('%s', async (_, change) => {
      const tenant = world.key();
      const first = await tenant.enqueue({ max_retries: 0 });
      await tenant.enqueue();
      const [claimed] = await tenant.claim();
      expect(claimed!.id).toBe(first);
      const expected = await change(tenant, claimed!);
      expect(ids(await tenant.claim())).toEqual([expected]);
    });
  });

  it('finds what another instance put before the place it got to, at once when there is nothing else', async () => {
    const tenant = world.key();
    const id = await unheardOf(tenant);
    expect(ids(await tenant.claim())).toEqual([id]);
  });

  it('finds it soon when there is always something else', async () => {
    const tenant = world.key();
    const id = await unheardOf(tenant);
    await eventually(async () => {
      await tenant.enqueue();
      return ids(await tenant.claim()).includes(id);
    });
  });

  it('never gives a job to two of many concurrent callers', async () => {
    const tenant = world.key();
    for (let page = 0; page < 3; page += 1) {
      const jobs = Array.from({ length: 100 }, () => ({ payload: 1 }));
      await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
    }
    const claimers = Array.from({ length: 30 }, async (_, n) => {
      const mine: string[] = [];
      for (;;) {
        const jobs = await tenant.claim({ worker_id: `w-${n}`, limit: 1 + (n % 4) });
        if (jobs.length === 0) return mine;
        expect(jobs.length).toBeLessThanOrEqual(1 + (n % 4));
        mine.push(...ids(jobs));
      }
    });
    const taken = (await Promise.all(claimers)).flat();
    expect(taken).toHaveLength(300);
    expect(new Set(taken).size).toBe(300);
    expect(await tenant.stats()).toMatchObject({ pending: 0, processing: 300 });
  });

  it('gives each of several callers of one moment its own jobs and worker id', async () => {
    const tenant = world.key();
    for (let n = 0; n < 6; n += 1) await tenant.enqueue({ payload: n });
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((worker_id) => tenant.claim({ worker_id, limit: 2 })),
    );
    for (const [index, jobs] of answers.entries()) {
      expect(jobs).toHaveLength(2);
      for (const { id } of jobs) {
        expect((await tenant.job(id)).assigned_worker_id).toBe('abc'[index]);
      }
    }
  });

  it('answers at once with nothing from an empty or unknown queue', async () => {
    expect(await world.key().claim({ queue_name: 'nowhere' })).toEqual([]);
  });

  it('takes from the named queue of its own organization only', async () => {
    const [one, two] = [world.key(), world.key()];
    await one.enqueue({ queue_name: 'reports' });
    await two.enqueue();
    expect(await one.claim()).toEqual([]);
  });

  it('refuses a queue outside the scope of the key', async () => {
    const answer = await post(world.key({ queues: ['reports'] }), {});
    expect(answer).toMatchObject({ status: 403, body: { code: 'ACCESS_DENIED' } });
  });

  it('leaves out what is paused, expired, scheduled for later or waiting for a parent', async () => {
    const tenant = world.key();
    const parent = await tenant.enqueue();
    await tenant.enqueue({ parent_job_id: parent });
    await tenant.enqueue({ scheduled_at: '2090-01-01T00:00:00Z' });
    await tenant.enqueue({ expires_at: '2020-01-01T00:00:00Z' });
    await tenant.enqueue({ queue_name: 'quiet' });
    await tenant.call('POST', '/queues/quiet/pause');
    expect(ids(await tenant.claim({ limit: 100 }))).toEqual([parent]);
    expect(await tenant.claim({ queue_name: 'quiet' })).toEqual([]);
    await tenant.call('POST', '/queues/quiet/resume');
    expect(await tenant.claim({ queue_name: 'quiet' })).toHaveLength(1);
  });

  it.each([
    ['queue_name', undefined],
    ['queue_name', '-x'],
    ['worker_id', undefined],
    ['worker_id', ''],
    ['worker_id', 'w'.repeat(256)],
    ['worker_id', 7],
    ['worker_id', 'a\u0000'],
    ['limit', 0],
    ['limit', 101],
    ['limit', '1'],
    ['limit', 1.5],
    ['lease_duration_secs', 4],
    ['lease_duration_secs', 3601],
    ['lease_duration_secs', '30'],
    ['wait_secs', -1],
    ['wait_secs', 21],
  ])('refuses %s = %j and leases nothing', async (field, value) => {
    const tenant = world.key();
    const id = await tenant.enqueue();
    expect(await post(tenant, { [field]: value })).toMatchObject({
      status: 400,
      body: { code: 'VALIDATION_ERROR', message: expect.stringContaining(field) },
    });
    expect(await tenant.statusOf(id)).toBe('pending');
  });

  it.each([
    ['worker_id', 'w'.repeat(255)],
    ['worker_id', 'w ☃'],
    ['limit', 1],
    ['limit', 100],
    ['lease_duration_secs', 5],
    ['lease_duration_secs', 3600],
    ['lease_duration_secs', null],
    ['wait_secs', 20],
    ['no_such_field', 1],
  ])('accepts %s = %j', async (field, value) => {
    const tenant = world.key();
    await tenant.enqueue();
    expect((await post(tenant, { [field]: value })).body['jobs']).toHaveLength(1);
  });
});

describe('a claim that waits', () => {
  /** A claim under way; `isOpen` until it answers. */
  function waiting(tenant: Tenant, over: object = {}) {
    const abort = new AbortController();
    const state = { isOpen: true };
    const answer = world
      .request<{ jobs: { id: string }[] }>('POST', '/api/v1/jobs/claim', {
        body: JSON.stringify({
          queue_name: 'emails',
          worker_id: 'w-wait',
          wait_secs: 20,
          ...over,
        }),
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${tenant.credential}`,
        },
        signal: abort.signal,
      })
      .finally(() => {
        state.isOpen = false;
      });
    answer.catch(() => undefined);
    return { answer, abort, state };
  }

  it('is answered as soon as a job is enqueued', async () => {
    const tenant = world.key();
    const { answer, state } = waiting(tenant);
    await tenant.stats();
    expect(state.isOpen).toBe(true);
    const startedAt = performance.now();
    const id = await tenant.enqueue();
    expect(ids((await answer).body.jobs)).toEqual([id]);
    expect(performance.now() - startedAt).toBeLessThan(SOON_MS);
  });

  it('is answered as soon as a scheduled job is due', async () => {
    const tenant = world.key();
    const { answer } = waiting(tenant);
    const due = new Date(Date.now() + 300);
    const id = await tenant.enqueue({ scheduled_at: due.toISOString() });
    expect(ids((await answer).body.jobs)).toEqual([id]);
    const lateMs = Date.now() - due.getTime();
    expect(lateMs).toBeGreaterThanOrEqual(-5);
    expect(lateMs).toBeLessThan(SOON_MS);
  });

  it('is answered when the queue it waits for is resumed', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue();
    await tenant.call('POST', '/queues/emails/pause');
    const { answer } = waiting(tenant);
    await tenant.stats();
    const startedAt = performance.now();
    await tenant.call('POST', '/queues/emails/resume');
    expect(ids((await answer).body.jobs)).toEqual([id]);
    expect(performance.now() - startedAt).toBeLessThan(SOON_MS);
  });

  it('ends with nothing when the time is over', async () => {
    const { answer } = waiting(world.key(), { wait_secs: 1 });
    const startedAt = performance.now();
    expect((await answer).body.jobs).toEqual([]);
    expect(performance.now() - startedAt).toBeGreaterThan(900);
    expect(performance.now() - startedAt).toBeLessThan(SOON_MS);
  });

  it('gives one job to exactly one of many that wait', async () => {
    const tenant = world.key();
    const all = Array.from({ length: 10 }, () => waiting(tenant));
    await tenant.stats();
    const id = await tenant.enqueue();
    const isAnswered = ({ state }: ReturnType<typeof waiting>) => !state.isOpen;
    await eventually(() => all.some(isAnswered));
    // Whoever was woken in vain would still be answered with nothing, or with the same job.
    await tenant.stats();
    const [first, ...others] = all.filter(isAnswered);
    expect(ids((await first!.answer).body.jobs)).toEqual([id]);
    expect(others).toEqual([]);
    for (const { abort } of all) abort.abort();
  });

  it('gives nothing to a client that went away', async () => {
    const tenant = world.key();
    const { abort, answer } = waiting(tenant);
    await tenant.stats();
    abort.abort();
    await answer.catch(() => undefined);
    const id = await tenant.enqueue();
    // Another claim gets it: either it was never leased, or it was given back.
    await eventually(async () => {
      const jobs = await tenant.claim({ worker_id: 'w-2' });
      expect(ids(jobs)).toEqual([id]);
    });
    expect((await tenant.job(id)).assigned_worker_id).toBe('w-2');
  });

  it('leaves no job leased to any of many clients that went away', async () => {
    const tenant = world.key();
    const gone = Array.from({ length: 20 }, () => waiting(tenant));
    await tenant.stats();
    for (const { abort } of gone) abort.abort();
    await Promise.allSettled(gone.map(({ answer }) => answer));
    await tenant.stats();
    const jobs = Array.from({ length: 20 }, () => ({ payload: 1 }));
    await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
    await eventually(async () => {
      expect(await tenant.stats()).toMatchObject({ pending: 20, processing: 0 });
    });
  });

  it('does not hold up a stop of the service', async () => {
    const tenant = world.key();
    const { answer } = waiting(tenant);
    await tenant.stats();
    const startedAt = performance.now();
    await world.context.close();
    expect(performance.now() - startedAt).toBeLessThan(SOON_MS);
    expect((await answer).body.jobs).toEqual([]);
    await world.boot();
  });
});
