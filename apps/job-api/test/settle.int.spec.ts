import { randomUUID } from 'node:crypto';
import { expectAhead, World, type Answer, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

type Over = Record<string, unknown>;
type Act = (tenant: Tenant, id: string, over?: Over) => Promise<Answer<Over>>;
const acts: [name: string, act: Act][] = [
  ['complete', (tenant, id, over) => tenant.complete(id, over)],
  ['fail', (tenant, id, over) => tenant.fail(id, over)],
  ['heartbeat', (tenant, id, over) => tenant.renew(id, over)],
  [
    'progress',
    (tenant, id, over) =>
      tenant.call('POST', `/jobs/${id}/progress`, { worker_id: 'w-1', percent: 1, ...over }),
  ],
  [
    'logs',
    (tenant, id, over) =>
      tenant.call('POST', `/jobs/${id}/logs`, { worker_id: 'w-1', lines: ['x'], ...over }),
  ],
];

describe.each(acts)('the fence of %s', (_, act) => {
  const notFound = {
    status: 404,
    body: { code: 'NOT_FOUND', message: 'Job not found or not owned by worker' },
  };
  const leaseExpired = { status: 409, body: { code: 'LEASE_EXPIRED' } };

  it('lets the holder pass, with and without its lease id', async () => {
    for (const named of [true, false]) {
      const tenant = world.key();
      const { id, lease_id } = await tenant.leased();
      const over = named ? { lease_id } : { lease_id: null };
      expect(await act(tenant, id, over)).toMatchObject({ status: 200, body: { success: true } });
    }
  });

  it('hides the job from another worker', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    expect(await act(tenant, id, { worker_id: 'w-2' })).toMatchObject(notFound);
    expect(await tenant.statusOf(id)).toBe('processing');
  });

  it('hides the job from another organization', async () => {
    const { id } = await world.key().leased();
    expect(await act(world.key(), id)).toMatchObject(notFound);
  });

  it('hides the job from a key that may not use its queue', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    const scoped = world.key({ organizationId: tenant.organizationId, queues: ['reports'] });
    expect(await act(scoped, id)).toMatchObject(notFound);
    const allowed = world.key({
      organizationId: tenant.organizationId,
      queues: ['reports', 'emails'],
    });
    expect((await act(allowed, id)).status).toBe(200);
  });

  it('knows no unknown, malformed or unclaimed job', async () => {
    const tenant = world.key();
    const waiting = await tenant.enqueue();
    for (const id of [randomUUID(), 'x', '%00', randomUUID().toUpperCase(), waiting]) {
      expect(await act(tenant, id)).toMatchObject(notFound);
    }
  });

  it('refuses another lease id, malformed or not', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    for (const lease_id of [randomUUID(), 'x']) {
      expect(await act(tenant, id, { lease_id })).toMatchObject(leaseExpired);
    }
    expect(await tenant.statusOf(id)).toBe('processing');
  });

  it('never revives a lease that ran out, even before the reaper came', async () => {
    const tenant = world.key();
    const { id, lease_id } = await tenant.leased();
    await tenant.expireLease(id);
    expect(await act(tenant, id)).toMatchObject(leaseExpired);
    expect(await act(tenant, id, { lease_id })).toMatchObject(leaseExpired);
    expect(await tenant.statusOf(id)).toBe('processing');
  });

  it('refuses the former holder of a job that went back', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    await tenant.fail(id);
    expect(await act(tenant, id)).toMatchObject(leaseExpired);
  });

  it('refuses the former lease of a worker that holds the job again', async () => {
    const tenant = world.key();
    const first = await tenant.leased();
    await tenant.fail(first.id);
    await tenant.makeDue(first.id);
    const [second] = await tenant.claim({ wait_secs: 20 });
    expect(second!.lease_id).not.toBe(first.lease_id);
    expect(await act(tenant, first.id, { lease_id: first.lease_id })).toMatchObject(leaseExpired);
    expect((await act(tenant, first.id, { lease_id: second!.lease_id })).status).toBe(200);
  });

  it('hides a job that another worker holds now', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    await tenant.fail(id);
    await tenant.makeDue(id);
    expect(await tenant.claim({ wait_secs: 20, worker_id: 'w-2' })).toHaveLength(1);
    expect(await act(tenant, id)).toMatchObject(notFound);
  });

  it('tells the worker what its job ended as', async () => {
    const tenant = world.key();
    const { id: completed } = await tenant.leased();
    await tenant.complete(completed);
    const dead = await tenant.deadLetter();
    for (const [id, status] of [
      [completed, 'completed'],
      [dead, 'deadletter'],
    ] as const) {
      expect(await act(tenant, id)).toMatchObject({
        status: 409,
        body: { code: 'CONFLICT', message: `Job is already ${status}` },
      });
      expect(await act(tenant, id, { worker_id: 'w-2' })).toMatchObject(notFound);
    }
  });

  it.each([
    ['worker_id', undefined],
    ['worker_id', ''],
    ['worker_id', 'w'.repeat(256)],
    ['worker_id', 'a\u0000'],
    ['lease_id', ''],
    ['lease_id', 'l'.repeat(256)],
    ['lease_id', 'a\u0000'],
    ['lease_id', 5],
  ])('refuses %s = %j', async (field, value) => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    expect(await act(tenant, id, { [field]: value })).toMatchObject({
      status: 400,
      body: { code: 'VALIDATION_ERROR' },
    });
    expect(await tenant.statusOf(id)).toBe('processing');
  });
});

describe('complete', () => {
  it('keeps the result, ends the lease and tells both facts in order', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    const answer = await tenant.complete(id, { result: { sum: 4 } });
    expect(answer).toMatchObject({ status: 200, body: { success: true } });
    const job = await tenant.job(id);
    expect(job).toMatchObject({
      status: 'completed',
      result: { sum: 4 },
      lease_id: null,
      lease_expires_at: null,
      last_error: null,
    });
    expect(Date.parse(job.completed_at!)).toBeGreaterThanOrEqual(Date.parse(job.started_at!));
    expect(Date.parse(job.started_at!)).toBeGreaterThanOrEqual(Date.parse(job.created_at));
    expect(await tenant.story(id)).toEqual([
      'JobCreated 1',
      'pending→processing 2',
      'processing→completed 3',
      'JobCompleted 3',
    ]);
    expect((await tenant.events()).at(-1)).toEqual({
      type: 'JobCompleted',
      data: {
        job_id: id,
        queue_name: 'emails',
        timestamp: job.completed_at,
        rev: 3,
        duration_ms: Date.parse(job.completed_at!) - Date.parse(job.started_at!),
        worker_id: 'w-1',
        result: { sum: 4 },
      },
    });
  });

  it.each(['null', 'false', '0', '"x"', '[]', '{"n":12345678901234567890}'])(
    'keeps the result %s to the digit',
    async (result) => {
      const tenant = world.key();
      const { id } = await tenant.leased();
      await tenant.call('POST', `/jobs/${id}/complete`, `{"worker_id":"w-1","result":${result}}`);
      expect((await tenant.call('GET', `/jobs/${id}`)).text).toContain(`"result":${result}`);
    },
  );

  it('keeps a large result but leaves it out of the event', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    const result = 'x'.repeat(40_000);
    await tenant.complete(id, { result });
    expect((await tenant.job(id)).result).toBe(result);
    const event = (await tenant.events()).at(-1)!;
    expect(event.data).toMatchObject({ result_truncated: true });
    expect(event.data).not.toHaveProperty('result');
  });

  it('refuses a result over the plan with 413 and leaves the lease as it was', async () => {
    const tenant = world.key({ plan: { max_payload_size_bytes: 100 } });
    const { id } = await tenant.leased();
    expect(await tenant.complete(id, { result: 'x'.repeat(99) })).toMatchObject({
      status: 413,
      body: { code: 'PAYLOAD_TOO_LARGE', current: 101, limit: 100 },
    });
    expect(await tenant.statusOf(id)).toBe('processing');
    expect((await tenant.complete(id, { result: 'x'.repeat(98) })).status).toBe(200);
  });

  it('by several callers at once succeeds for exactly one', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) => (n % 3 === 0 ? tenant.fail(id) : tenant.complete(id))),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(11);
    expect((await tenant.story(id)).filter((line) => line.startsWith('processing→'))).toHaveLength(
      1,
    );
  });

  it('of many jobs at once settles each with its own result', async () => {
    const tenant = world.key();
    const jobs = Array.from({ length: 50 }, () => ({ payload: 1 }));
    await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
    const claimed = await tenant.claim({ limit: 50 });
    const answers = await Promise.all([
      ...claimed.map(({ id }) => tenant.complete(id, { result: id })),
      ...claimed.slice(0, 10).map(() => tenant.complete(randomUUID())),
    ]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(50);
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(10);
    for (const { id } of claimed) expect((await tenant.job(id)).result).toBe(id);
  });
});

describe('fail', () => {
  const ladderSecs = [1, 2, 4, 8, 16, 32, 60, 60];

  it('backs off 1, 2, 4 … 60 seconds with up to half a second of noise, then gives up', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue({ max_retries: 8 });
    for (const [tries, secs] of ladderSecs.entries()) {
      expect(await tenant.claim({ wait_secs: 20 })).toHaveLength(1);
      const { status, body } = await tenant.fail(id, { error: `try ${tries}` });
      expect(status).toBe(200);
      expect(body).toEqual({
        success: true,
        will_retry: true,
        next_retry_at: expect.any(String),
      });
      const job = await tenant.job(id);
      expect(job).toMatchObject({
        status: 'pending',
        retry_count: tries + 1,
        last_error: `try ${tries}`,
        lease_id: null,
        started_at: expect.any(String),
        scheduled_at: body['next_retry_at'],
      });
      const told = (await tenant.events()).at(-1)!.data as { timestamp: string };
      const delayMs = Date.parse(job.scheduled_at!) - Date.parse(told.timestamp);
      expect(delayMs).toBeGreaterThanOrEqual(secs * 1000 - 1);
      expect(delayMs).toBeLessThan(secs * 1000 + 500);
      await tenant.makeDue(id);
    }
    expect(await tenant.claim({ wait_secs: 20 })).toHaveLength(1);
    expect((await tenant.fail(id, { error: 'the end' })).body).toEqual({
      success: true,
      will_retry: false,
      next_retry_at: null,
    });
    expect(await tenant.job(id)).toMatchObject({
      status: 'deadletter',
      retry_count: 8,
      last_error: 'the end',
      completed_at: expect.any(String),
    });
    const events = await tenant.events();
    expect(events.at(-1)).toMatchObject({
      type: 'JobFailed',
      data: { error: 'the end', retry_count: 8, will_retry: false, worker_id: 'w-1' },
    });
    const { rows } = await world.owner.query(
      'select reason, error, payload from jobs.dead_letter where job_id = $1',
      [id],
    );
    expect(rows).toEqual([{ reason: 'retries spent', error: 'the end', payload: {} }]);
  });

  it('tells the change and the failure in this order, with the next try', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    const { body } = await tenant.fail(id);
    expect(await tenant.story(id)).toEqual([
      'JobCreated 1',
      'pending→processing 2',
      'processing→pending 3',
      'JobFailed 3',
    ]);
    expect((await tenant.events()).at(-1)!.data).toEqual({
      job_id: id,
      queue_name: 'emails',
      timestamp: expect.any(String),
      rev: 3,
      error: 'boom',
      retry_count: 1,
      will_retry: true,
      next_retry_at: body['next_retry_at'],
      worker_id: 'w-1',
    });
  });

  it('makes the job claimable again when its time has come, without being asked', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    const { body } = await tenant.fail(id);
    // It would be given away at once if it could be.
    const [again] = await tenant.claim({ wait_secs: 20 });
    expect(again).toMatchObject({ id, retry_count: 1 });
    const { started_at } = await tenant.job(id);
    expect(Date.parse(started_at!)).toBeGreaterThanOrEqual(
      Date.parse(String(body['next_retry_at'])),
    );
    // Waiting out the backoff was no change of state.
    expect((await tenant.story(id)).slice(-2)).toEqual(['JobFailed 3', 'pending→processing 4']);
  });

  it.each([
    ['error', undefined],
    ['error', ''],
    ['error', 'e'.repeat(2049)],
    ['error', 'a\u0000'],
    ['error', { why: 'object' }],
  ])('refuses %s = %j', async (field, value) => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    expect((await tenant.fail(id, { [field]: value })).status).toBe(400);
    expect((await tenant.fail(id, { error: 'e'.repeat(2048) })).status).toBe(200);
  });
});

describe('heartbeat', () => {
  it('moves the end of the lease to now plus the duration', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    for (const secs of [3600, 5]) {
      const endsAt = await expectAhead(secs, async () => {
        const { body } = await tenant.renew(id, { lease_duration_secs: secs });
        return new Date(String(body['lease_expires_at']));
      });
      expect((await tenant.job(id)).lease_expires_at).toBe(endsAt.toISOString());
    }
    expect(await tenant.story(id)).toHaveLength(2);
  });

  it.each([undefined, 4, 3601, '60', 5.5])('refuses %j seconds', async (secs) => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    expect((await tenant.renew(id, { lease_duration_secs: secs })).status).toBe(400);
  });
});

describe('progress', () => {
  const report = (tenant: Tenant, id: string, over: Over) =>
    tenant.call('POST', `/jobs/${id}/progress`, { worker_id: 'w-1', ...over });

  it('shows the last report on the job, also after its end', async () => {
    const tenant = world.key();
    const { id, lease_id } = await tenant.leased();
    await report(tenant, id, { percent: 10, message: 'began' });
    expect(await report(tenant, id, { percent: 99.5, lease_id })).toMatchObject({ status: 200 });
    const progress = { percent: 99.5, message: null, updated_at: expect.any(String) };
    expect((await tenant.job(id)).progress).toEqual(progress);
    await tenant.complete(id);
    expect((await tenant.job(id)).progress).toEqual(progress);
  });

  it('takes a percentage with a point whatever else the body holds', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    // Clients in other languages write 50.0; digits elsewhere in the body must not change how it is read.
    const body = '{"worker_id":"w-1","percent":50.0,"message":"9876543210987654321 2e5"}';
    expect((await tenant.call('POST', `/jobs/${id}/progress`, body)).status).toBe(200);
    expect((await tenant.job(id)).progress).toMatchObject({ percent: 50 });
  });

  it.each([
    ['percent', undefined],
    ['percent', -0.1],
    ['percent', 100.1],
    ['percent', '50'],
    ['message', 'm'.repeat(501)],
    ['message', 'a\u0000'],
  ])('refuses %s = %j', async (field, value) => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    expect((await report(tenant, id, { percent: 5, [field]: value })).status).toBe(400);
  });

  it.each([0, 100])('accepts %d percent and a message of 500 characters', async (percent) => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    expect((await report(tenant, id, { percent, message: 'm'.repeat(500) })).status).toBe(200);
  });
});

describe('logs', () => {
  const append = (tenant: Tenant, id: string, lines: unknown) =>
    tenant.call('POST', `/jobs/${id}/logs`, { worker_id: 'w-1', lines });
  const read = async (tenant: Tenant, id: string, query = '') =>
    (await tenant.call<{ line: string; logged_at: string }[]>('GET', `/jobs/${id}/logs${query}`))
      .body;

  it('are read back in order, a page at a time', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    await append(tenant, id, ['a', 'b']);
    await append(tenant, id, ['', 'd', 'e']);
    expect((await read(tenant, id)).map(({ line }) => line)).toEqual(['a', 'b', '', 'd', 'e']);
    const page = await read(tenant, id, '?limit=2&offset=3');
    expect(page.map(({ line }) => line)).toEqual(['d', 'e']);
    expect(Date.parse(page[0]!.logged_at)).toBeLessThanOrEqual(Date.now());
  });

  it('stay readable after the end, for those who may see the job', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    await append(tenant, id, ['a']);
    await tenant.complete(id);
    expect(await read(tenant, id)).toHaveLength(1);
    const scoped = world.key({ organizationId: tenant.organizationId, queues: ['reports'] });
    for (const stranger of [scoped, world.key()]) {
      expect((await stranger.call('GET', `/jobs/${id}/logs`)).status).toBe(404);
    }
    expect((await tenant.call('GET', '/jobs/nothing/logs')).status).toBe(404);
  });

  it.each([
    ['none', []],
    ['101 lines', Array.from({ length: 101 }, () => 'x')],
    ['a line of 4097 characters', ['x'.repeat(4097)]],
    ['a line with NUL', ['a\u0000']],
    ['a number', [1]],
    ['no list', 'x'],
  ])('refuse %s', async (_, lines) => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    expect((await append(tenant, id, lines)).status).toBe(400);
    expect(await read(tenant, id)).toEqual([]);
  });

  it('take 100 lines of 4096 characters', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    const lines = Array.from({ length: 100 }, () => 'x'.repeat(4096));
    expect((await append(tenant, id, lines)).status).toBe(200);
  });
});
