import type { BatchStatus, JobSummary } from '@spooled/contracts';
import { randomUUID } from 'node:crypto';
import { World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

const list = async (tenant: Tenant, query = '') =>
  (await tenant.call<JobSummary[]>('GET', `/jobs${query}`)).body;
const ids = (jobs: readonly { id: string }[]) => jobs.map(({ id }) => id);
const scopedTo = (tenant: Tenant, ...queues: string[]) =>
  world.key({ organizationId: tenant.organizationId, queues });

/** One job in each state that can be reached, oldest first. */
async function oneOfEach(tenant: Tenant): Promise<Record<string, string>> {
  const completed = await tenant.leased({ tags: { red: 1 } });
  await tenant.complete(completed.id);
  const deadletter = await tenant.deadLetter({ tags: ['red', 'blue'] });
  const cancelled = await tenant.enqueue();
  await tenant.cancel(cancelled);
  const processing = await tenant.leased({ priority: 7 });
  const scheduled = await tenant.enqueue({ scheduled_at: '2090-01-01T00:00:00Z' });
  const pending = await tenant.enqueue({ queue_name: 'reports', priority: -7 });
  return {
    completed: completed.id,
    deadletter,
    cancelled,
    processing: processing.id,
    scheduled,
    pending,
  };
}

describe('GET /jobs/{id}', () => {
  it.each(['x', '%00', randomUUID(), '00000000-0000-0000-0000-00000000000g', "' or 1=1 --"])(
    'does not know %j',
    async (id) => {
      const answer = await world.key().call('GET', `/jobs/${encodeURIComponent(id)}`);
      expect(answer).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    },
  );

  it('does not know a job of another organization, or of a queue outside the scope', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue();
    for (const stranger of [world.key(), scopedTo(tenant, 'reports')]) {
      expect(await stranger.call('GET', `/jobs/${id}`)).toMatchObject({ status: 404 });
    }
    expect((await scopedTo(tenant, 'emails').job(id)).id).toBe(id);
  });
});

describe('GET /jobs', () => {
  it('lists summaries, newest first', async () => {
    const tenant = world.key();
    const each = await oneOfEach(tenant);
    const jobs = await list(tenant);
    expect(ids(jobs)).toEqual(Object.values(each).toReversed());
    expect(jobs[0]).toEqual({
      id: each['pending'],
      queue_name: 'reports',
      status: 'pending',
      priority: -7,
      retry_count: 0,
      attempt: 0,
      max_retries: 3,
      job_type: '',
      last_error: null,
      created_at: expect.any(String),
      scheduled_at: null,
      started_at: null,
      completed_at: null,
    });
  });

  it('filters by each status, by queue and by tag', async () => {
    const tenant = world.key();
    const each = await oneOfEach(tenant);
    for (const [status, id] of Object.entries(each)) {
      expect(ids(await list(tenant, `?status=${status}`))).toEqual([id]);
    }
    expect(await list(tenant, '?status=failed')).toEqual([]);
    expect(ids(await list(tenant, '?queue_name=reports'))).toEqual([each['pending']]);
    expect(ids(await list(tenant, '?queue=reports'))).toEqual([each['pending']]);
    expect(await list(tenant, '?queue_name=unknown')).toEqual([]);
    expect(ids(await list(tenant, '?tag=red'))).toEqual([each['deadletter'], each['completed']]);
    expect(ids(await list(tenant, '?tag=blue&status=deadletter'))).toEqual([each['deadletter']]);
    expect(await list(tenant, '?tag=1')).toEqual([]);
  });

  it('filters by the names of tags alone, whatever shape they come in', async () => {
    const tenant = world.key();
    const long = 'l'.repeat(64);
    const object = await tenant.enqueue({ tags: { red: { blue: 1 }, 'a b': 1, [long]: null } });
    const array = await tenant.enqueue({
      tags: ['red', 'red', 7, ['blue'], { blue: 1 }, null, 'ü'],
    });
    await tenant.enqueue({ tags: {} });
    expect(ids(await list(tenant, '?tag=red'))).toEqual([array, object]);
    expect(ids(await list(tenant, `?tag=${long}`))).toEqual([object]);
    expect(await list(tenant, '?tag=blue')).toEqual([]);
    expect(await list(tenant, '?tag=7')).toEqual([]);
    expect(await list(world.key(), '?tag=red')).toEqual([]);
  });

  it.each<[rarity: string, jobs: number]>([
    ['few', 5],
    ['many', 1005],
  ])('filters by a tag of %s jobs in every order and with every other filter', async (_, jobs) => {
    const tenant = world.key();
    const made: string[] = [];
    for (let left = jobs; left > 0; left -= 50) {
      const some = Array.from({ length: Math.min(left, 50) }, (_, index) =>
        tenant.enqueue({ tags: ['often'], priority: index % 7, queue_name: `q-${index % 2}` }),
      );
      made.push(...(await Promise.all(some)));
    }
    await tenant.enqueue({ tags: ['seldom'] });
    const [done] = await tenant.claim({ queue_name: 'q-0' });
    await tenant.complete(done!.id);
    const newest = (await list(tenant, '?tag=often&limit=100')).map(({ id }) => id);
    expect(newest).toEqual(made.toSorted().toReversed().slice(0, 100));
    const oldest = await list(tenant, '?tag=often&order_dir=asc&limit=3&offset=1');
    expect(ids(oldest)).toEqual(made.toSorted().slice(1, 4));
    expect(ids(await list(tenant, '?tag=often&status=completed'))).toEqual([done!.id]);
    expect(ids(await list(tenant, '?tag=often&order_by=completed_at&limit=1'))).toEqual([done!.id]);
    const pending = await list(tenant, '?tag=often&status=pending&queue_name=q-1&limit=100');
    expect(pending.every(({ queue_name, status }) => queue_name + status === 'q-1pending')).toBe(
      true,
    );
    expect(pending).toHaveLength(jobs === 5 ? 2 : 100);
    const [first] = await list(tenant, '?tag=often&order_by=priority&limit=1');
    expect(first!.priority).toBe(jobs === 5 ? 4 : 6);
    const scoped = scopedTo(tenant, 'q-0');
    const inScope = await list(scoped, '?tag=often&limit=100');
    expect(new Set(inScope.map(({ queue_name }) => queue_name))).toEqual(new Set(['q-0']));
  });

  it.each([
    'status=bogus',
    'status=',
    'tag=no%20good',
    `tag=${'t'.repeat(65)}`,
    'queue_name=%00',
    'queue_name=a&queue_name=b',
    'order_by=payload',
    'order_dir=sideways',
    'nonsense=1',
  ])('ignores the filter %j', async (query) => {
    const tenant = world.key();
    const id = await tenant.enqueue();
    expect(ids(await list(tenant, `?${query}`))).toEqual([id]);
  });

  it('clamps limit and offset', async () => {
    const tenant = world.key();
    const jobs = Array.from({ length: 100 }, () => ({ payload: 1 }));
    await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
    const last = await tenant.enqueue();
    expect(await list(tenant)).toHaveLength(50);
    expect(await list(tenant, '?limit=101')).toHaveLength(100);
    expect(await list(tenant, '?limit=99999999999999999999')).toHaveLength(100);
    expect(await list(tenant, '?limit=0')).toHaveLength(1);
    expect(await list(tenant, '?limit=-5')).toHaveLength(1);
    expect(ids(await list(tenant, '?limit=1&offset=-3'))).toEqual([last]);
    expect(await list(tenant, '?offset=101')).toEqual([]);
    expect(await list(tenant, '?offset=99999999999999999999')).toEqual([]);
  });

  it.each(['limit=ten', 'limit=1.5', 'limit=', 'limit=1&limit=2', 'offset=x', 'offset=1e3'])(
    'refuses %j',
    async (query) => {
      const answer = await world.key().call('GET', `/jobs?${query}`);
      expect(answer).toMatchObject({ status: 400, body: { code: 'VALIDATION_ERROR' } });
    },
  );

  it('gives every job exactly once, page by page, in every order', async () => {
    const tenant = world.key();
    await oneOfEach(tenant);
    await oneOfEach(tenant);
    const all = new Set(ids(await list(tenant)));
    const orders = [
      'created_at',
      'updated_at',
      'scheduled_at',
      'completed_at',
      'priority',
      'status',
      'queue_name',
      'retry_count',
    ];
    for (const order of orders) {
      for (const direction of ['asc', 'desc']) {
        const query = `order_by=${order}&order_dir=${direction}`;
        const seen: JobSummary[] = [];
        for (let offset = 0; offset < all.size; offset += 5) {
          seen.push(...(await list(tenant, `?${query}&limit=5&offset=${offset}`)));
        }
        expect(new Set(ids(seen))).toEqual(all);
        expect(seen).toHaveLength(all.size);
        if (order === 'updated_at') continue;
        const values = seen.map((job) => job[order as keyof JobSummary]);
        const known = values.filter((value) => value !== null);
        const sorted = known.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
        expect(known).toEqual(direction === 'asc' ? sorted : sorted.reverse());
      }
    }
  });

  it('shows a key its own queues only, and nothing of other organizations', async () => {
    const tenant = world.key();
    const { pending } = await oneOfEach(tenant);
    await oneOfEach(world.key());
    expect(ids(await list(scopedTo(tenant, 'reports')))).toEqual([pending]);
    expect(await list(scopedTo(tenant, 'reports'), '?queue_name=emails')).toEqual([]);
    expect(await list(tenant)).toHaveLength(6);
  });
});

describe('GET /jobs/status', () => {
  const statuses = (tenant: Tenant, wanted: readonly string[]) =>
    tenant.call<BatchStatus[]>('GET', `/jobs/status?ids=${wanted.join(',')}`);

  it('answers what it knows and leaves out the rest', async () => {
    const tenant = world.key();
    const each = await oneOfEach(tenant);
    const foreign = await world.key().enqueue();
    const { status, body } = await statuses(tenant, [
      ...Object.values(each),
      foreign,
      randomUUID(),
      'x',
      '',
      each['pending']!,
    ]);
    expect(status).toBe(200);
    expect(Object.fromEntries(body.map(({ status, id }) => [status, id]))).toEqual(each);
    expect(body).toHaveLength(6);
    expect(body.find(({ id }) => id === each['deadletter'])).toEqual({
      id: each['deadletter'],
      status: 'deadletter',
      queue_name: 'emails',
      retry_count: 0,
      attempt: 0,
      max_retries: 0,
      created_at: expect.any(String),
      started_at: expect.any(String),
      completed_at: expect.any(String),
    });
    expect((await statuses(scopedTo(tenant, 'reports'), Object.values(each))).body).toHaveLength(1);
  });

  it('takes up to 100 ids', async () => {
    const tenant = world.key();
    const many = (count: number) => Array.from({ length: count }, () => randomUUID());
    expect(await statuses(tenant, many(100))).toMatchObject({ status: 200, body: [] });
    expect(await statuses(tenant, many(101))).toMatchObject({
      status: 400,
      body: { code: 'BAD_REQUEST' },
    });
    expect(await tenant.call('GET', '/jobs/status')).toMatchObject({ status: 200, body: [] });
    expect(await tenant.call('GET', '/jobs/status?ids=')).toMatchObject({ status: 200, body: [] });
  });
});

describe('GET /jobs/stats', () => {
  it('counts by status, for all queues, one queue, or the queues of the key', async () => {
    const tenant = world.key();
    await oneOfEach(tenant);
    const all = {
      pending: 1,
      scheduled: 1,
      processing: 1,
      completed: 1,
      failed: 0,
      deadletter: 1,
      cancelled: 1,
      total: 6,
    };
    const none = Object.fromEntries(Object.keys(all).map((name) => [name, 0]));
    expect(await tenant.stats()).toEqual(all);
    expect(await tenant.stats('emails')).toEqual({ ...all, pending: 0, total: 5 });
    expect(await tenant.stats('unknown')).toEqual(none);
    expect(await scopedTo(tenant, 'reports').stats()).toEqual({ ...none, pending: 1, total: 1 });
    expect(await scopedTo(tenant, 'reports').stats('emails')).toEqual(none);
    expect(await world.key().stats()).toEqual(none);
  });
});

describe('GET /jobs/dlq', () => {
  type Letter = JobSummary & { last_error: string; updated_at: string };
  const letters = async (tenant: Tenant, query = '') =>
    (await tenant.call<Letter[]>('GET', `/jobs/dlq${query}`)).body;

  it('lists dead letters, newest first, with why', async () => {
    const tenant = world.key();
    const first = await tenant.deadLetter({ tags: ['a'] });
    const second = await tenant.deadLetter({ queue_name: 'reports' });
    await tenant.enqueue();
    expect(ids(await letters(tenant))).toEqual([second, first]);
    expect((await letters(tenant))[0]).toMatchObject({
      status: 'deadletter',
      last_error: 'boom',
      updated_at: expect.any(String),
    });
    expect(ids(await letters(tenant, '?tag=a'))).toEqual([first]);
    expect(ids(await letters(tenant, '?queue_name=reports'))).toEqual([second]);
    expect(ids(await letters(tenant, '?limit=1&offset=1'))).toEqual([first]);
    expect(ids(await letters(scopedTo(tenant, 'reports')))).toEqual([second]);
    expect(await letters(world.key())).toEqual([]);
    expect(ids(await letters(tenant, '?queue_name=%00'))).toHaveLength(2);
  });
});

describe('DELETE /jobs/{id}', () => {
  it('cancels a pending and a scheduled job, without a body', async () => {
    for (const over of [{}, { scheduled_at: '2090-01-01T00:00:00Z' }]) {
      const tenant = world.key();
      const id = await tenant.enqueue(over);
      expect(await tenant.cancel(id)).toMatchObject({ status: 204, text: '' });
      const job = await tenant.job(id);
      expect(job).toMatchObject({ status: 'cancelled', completed_at: expect.any(String) });
      const from = over.scheduled_at === undefined ? 'pending' : 'scheduled';
      expect(await tenant.story(id)).toEqual(['JobCreated 1', `${from}→cancelled 2`]);
      expect(await tenant.claim()).toEqual([]);
    }
  });

  it('cancels a job that backs off after a failure', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    await tenant.fail(id);
    expect((await tenant.cancel(id)).status).toBe(204);
    expect(await tenant.stats()).toMatchObject({ pending: 0, cancelled: 1, total: 1 });
  });

  it('answers 409 for a job that has begun or ended', async () => {
    const tenant = world.key();
    const { completed, deadletter, cancelled, processing } = await oneOfEach(tenant);
    for (const id of [completed!, deadletter!, cancelled!, processing!]) {
      expect(await tenant.cancel(id)).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    }
  });

  it('does not know what is unknown, foreign or out of scope', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue();
    expect((await tenant.cancel(randomUUID())).status).toBe(404);
    expect((await tenant.cancel('x')).status).toBe(404);
    expect((await world.key().cancel(id)).status).toBe(404);
    expect((await scopedTo(tenant, 'reports').cancel(id)).status).toBe(404);
    expect(await tenant.statusOf(id)).toBe('pending');
  });

  it('races with claims: each job goes to exactly one of them', async () => {
    const tenant = world.key();
    const jobs = Array.from({ length: 60 }, () => ({ payload: 1 }));
    const { body } = await tenant.call<{ succeeded: { job_id: string }[] }>('POST', '/jobs/bulk', {
      queue_name: 'emails',
      jobs,
    });
    const all = body.succeeded.map(({ job_id }) => job_id);
    const [cancels, claims] = await Promise.all([
      Promise.all(all.map((id) => tenant.cancel(id))),
      Promise.all(all.map(() => tenant.claim())),
    ]);
    const claimed = new Set(claims.flatMap(ids));
    for (const [index, id] of all.entries()) {
      const { status } = cancels[index]!;
      expect([204, 409]).toContain(status);
      expect(claimed.has(id)).toBe(status === 409);
      expect(await tenant.statusOf(id)).toBe(status === 204 ? 'cancelled' : 'processing');
    }
  });

  it('by several callers at once succeeds for exactly one', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue();
    const answers = await Promise.all(Array.from({ length: 8 }, () => tenant.cancel(id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array(7).fill(409)]);
    expect(await tenant.stats()).toMatchObject({ pending: 0, cancelled: 1 });
  });
});

describe('POST /jobs/{id}/retry', () => {
  const retry = (tenant: Tenant, id: string) => tenant.call('POST', `/jobs/${id}/retry`);

  it('returns a dead letter to pending as if it were new', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue({ max_retries: 1 });
    await tenant.claim();
    await tenant.fail(id);
    await tenant.makeDue(id);
    await tenant.claim({ wait_secs: 20 });
    await tenant.fail(id);
    expect(await tenant.statusOf(id)).toBe('deadletter');
    const { status, body } = await retry(tenant, id);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id,
      status: 'pending',
      retry_count: 0,
      last_error: null,
      scheduled_at: null,
      completed_at: null,
      result: null,
    });
    expect((await tenant.story(id)).at(-1)).toBe('deadletter→pending 6');
    const { rowCount } = await world.owner.query('select from jobs.dead_letter where job_id = $1', [
      id,
    ]);
    expect(rowCount).toBe(0);
    expect((await tenant.call('GET', '/jobs/dlq')).body).toEqual([]);
    const [again] = await tenant.claim();
    expect(again).toMatchObject({ id, retry_count: 0, max_retries: 1 });
    expect((await tenant.complete(id)).status).toBe(200);
  });

  it('answers 409 for a job that is not given up', async () => {
    const tenant = world.key();
    const { completed, cancelled, processing, scheduled, pending } = await oneOfEach(tenant);
    for (const id of [completed!, cancelled!, processing!, scheduled!, pending!]) {
      expect(await retry(tenant, id)).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    }
  });

  it('does not know what is unknown, foreign or out of scope', async () => {
    const tenant = world.key();
    const id = await tenant.deadLetter();
    expect((await retry(tenant, randomUUID())).status).toBe(404);
    expect((await retry(tenant, 'x')).status).toBe(404);
    expect((await retry(world.key(), id)).status).toBe(404);
    expect((await retry(scopedTo(tenant, 'reports'), id)).status).toBe(404);
    expect(await tenant.statusOf(id)).toBe('deadletter');
  });

  it('by several callers at once succeeds for exactly one', async () => {
    const tenant = world.key();
    const id = await tenant.deadLetter();
    const answers = await Promise.all(Array.from({ length: 6 }, () => retry(tenant, id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(5).fill(409)]);
    expect(await tenant.stats()).toMatchObject({ pending: 1, deadletter: 0, total: 1 });
  });

  it('does not let a job that has expired meanwhile be cancelled at once', async () => {
    const tenant = world.key();
    const id = await tenant.deadLetter({ expires_at: new Date(Date.now() + 60_000).toISOString() });
    await world.owner.query(
      `update jobs.job set expires_at = now() - interval '1 s' where id = $1`,
      [id],
    );
    await retry(tenant, id);
    expect(await tenant.claim()).toHaveLength(1);
  });
});

describe('PUT /jobs/{id}/priority', () => {
  const put = (tenant: Tenant, id: string, priority: unknown) =>
    tenant.call('PUT', `/jobs/${id}/priority`, { priority });

  it('changes the order in which jobs are claimed', async () => {
    const tenant = world.key();
    const first = await tenant.enqueue();
    const second = await tenant.enqueue();
    expect(await put(tenant, second, 1)).toMatchObject({
      status: 200,
      body: { job_id: second, old_priority: 0, new_priority: 1 },
    });
    expect(ids(await tenant.claim({ limit: 2 }))).toEqual([second, first]);
  });

  it('also reaches a scheduled job', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue({ scheduled_at: '2090-01-01T00:00:00Z' });
    expect((await put(tenant, id, -100)).status).toBe(200);
    expect((await tenant.job(id)).priority).toBe(-100);
  });

  it.each([-101, 101, 1.5, '1', null, undefined])('refuses %j', async (priority) => {
    const tenant = world.key();
    const id = await tenant.enqueue();
    expect((await put(tenant, id, priority)).status).toBe(400);
    expect((await tenant.job(id)).priority).toBe(0);
  });

  it('answers 404 for a job that has begun or ended, is unknown, foreign or out of scope', async () => {
    const tenant = world.key();
    const { completed, processing, pending } = await oneOfEach(tenant);
    for (const id of [completed!, processing!, randomUUID(), 'x']) {
      expect((await put(tenant, id, 1)).status).toBe(404);
    }
    expect((await put(world.key(), pending!, 1)).status).toBe(404);
    expect((await put(scopedTo(tenant, 'emails'), pending!, 1)).status).toBe(404);
  });
});
