import { status, type ServiceError } from '@grpc/grpc-js';
import { plans } from '@spooled/contracts';
import { eventually, grpcClient, type GrpcClient, type GrpcMessage } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { expectAhead, World, type Tenant } from './setup.js';

let world: World;
let client: GrpcClient;
beforeAll(async () => {
  world = await World.setup();
  client = grpcClient('spooled.v1.QueueService', world.grpcPort);
});
afterAll(async () => {
  client.close();
  await world.stop();
});

const call = (tenant: Tenant, method: string, request: GrpcMessage): Promise<GrpcMessage> =>
  client.call(method, request, { 'x-api-key': tenant.credential });

/** The status a call ends with. */
async function refusal(tenant: Tenant, method: string, request: GrpcMessage) {
  const answer = await call(tenant, method, request).then(
    (message) => ({ code: 'OK', details: JSON.stringify(message), trailers: {} }),
    ({ code, details, metadata }: ServiceError) => ({
      code: status[code],
      details,
      trailers: metadata.getMap(),
    }),
  );
  return answer;
}

const enqueue = async (tenant: Tenant, over: GrpcMessage = {}): Promise<string> =>
  (await call(tenant, 'Enqueue', { queue_name: 'emails', ...over }))['job_id'] as string;

const dequeue = async (tenant: Tenant, over: GrpcMessage = {}): Promise<GrpcMessage[]> => {
  const request = { queue_name: 'emails', worker_id: 'w-1', ...over };
  return (await call(tenant, 'Dequeue', request))['jobs'] as GrpcMessage[];
};

const read = async (tenant: Tenant, jobId: string) =>
  (await call(tenant, 'GetJob', { job_id: jobId }))['job'] as GrpcMessage | null;

/** A job leased to `w-1`. */
async function leased(tenant: Tenant, over: GrpcMessage = {}): Promise<GrpcMessage> {
  const id = await enqueue(tenant, over);
  const [job] = await dequeue(tenant);
  expect(job!['id']).toBe(id);
  return job!;
}

describe('Enqueue', () => {
  it('takes a trace context as metadata, which the worker gets with the job', async () => {
    const tenant = world.key();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';
    const headers = { 'x-api-key': tenant.credential, traceparent };
    await client.call('Enqueue', { queue_name: 'emails' }, headers);
    await enqueue(tenant);
    const jobs = await dequeue(tenant, { batch_size: 2 });
    expect(jobs.map((job) => job['traceparent'])).toEqual([traceparent, '']);
  });

  it('makes the job that REST would have made', async () => {
    const tenant = world.key();
    const scheduledAt = new Date(Date.now() + 3_600_000);
    const answer = await call(tenant, 'Enqueue', {
      queue_name: 'emails',
      payload: { n: 5, half: 0.5, list: [1, 'a', null, { deep: true }] },
      priority: 7,
      max_retries: 9,
      timeout_seconds: 60,
      scheduled_at: scheduledAt,
      idempotency_key: 'once',
      tags: { region: 'eu' },
    });
    expect(answer).toEqual({ job_id: expect.any(String), created: true });
    expect(await tenant.job(answer['job_id'] as string)).toMatchObject({
      queue_name: 'emails',
      status: 'scheduled',
      payload: { n: 5, half: 0.5, list: [1, 'a', null, { deep: true }] },
      priority: 7,
      max_retries: 9,
      timeout_seconds: 60,
      scheduled_at: scheduledAt.toISOString(),
      idempotency_key: 'once',
      tags: { region: 'eu' },
    });
    expect(await tenant.story(answer['job_id'] as string)).toEqual(['JobCreated 1']);
  });

  it('stores whole numbers as REST writers would have written them', async () => {
    const tenant = world.key();
    const id = await enqueue(tenant, { payload: { n: 5, big: 9_007_199_254_740_991, x: -0.25 } });
    const { rows } = await world.owner.query<{ payload: string }>(
      'select payload::text from jobs.job where id = $1',
      [id],
    );
    expect(JSON.parse(rows[0]!.payload)).toEqual({ n: 5, big: 9_007_199_254_740_991, x: -0.25 });
    expect(rows[0]!.payload).not.toMatch(/5\.0|e/);
  });

  it('takes what is not set as not given', async () => {
    const tenant = world.key();
    await tenant.call('PUT', '/queues/slow/config', { max_retries: 8, default_timeout: 77 });
    const plain = await enqueue(tenant);
    expect(await tenant.job(plain)).toMatchObject({
      payload: {},
      priority: 0,
      max_retries: 3,
      timeout_seconds: 300,
      tags: null,
      idempotency_key: null,
      status: 'pending',
    });
    const configured = await enqueue(tenant, {
      queue_name: 'slow',
      max_retries: 0,
      timeout_seconds: -1,
    });
    expect(await tenant.job(configured)).toMatchObject({ max_retries: 8, timeout_seconds: 77 });
  });

  it('answers a known idempotency key with its job, and emits nothing', async () => {
    const tenant = world.key();
    const id = await enqueue(tenant, { idempotency_key: 'k' });
    const again = { queue_name: 'emails', idempotency_key: 'k' };
    expect(await call(tenant, 'Enqueue', again)).toEqual({ job_id: id, created: false });
    expect(await tenant.events()).toHaveLength(1);
    expect(await tenant.enqueue({ idempotency_key: 'k' })).toBe(id);
  });

  it.each<[what: string, request: GrpcMessage, code: string, words: string]>([
    ['no queue', { queue_name: '' }, 'INVALID_ARGUMENT', 'Queue name'],
    ['bad characters', { queue_name: 'a b' }, 'INVALID_ARGUMENT', 'alphanumeric'],
    ['a dot at the start', { queue_name: '.a' }, 'INVALID_ARGUMENT', 'alphanumeric'],
    ['101 characters', { queue_name: 'q'.repeat(101) }, 'INVALID_ARGUMENT', 'Queue name'],
    ['priority 101', { priority: 101 }, 'INVALID_ARGUMENT', 'priority'],
    ['priority -101', { priority: -101 }, 'INVALID_ARGUMENT', 'priority'],
    ['101 retries', { max_retries: 101 }, 'INVALID_ARGUMENT', 'max_retries'],
    ['a day and a second', { timeout_seconds: 86_401 }, 'INVALID_ARGUMENT', 'timeout_seconds'],
    ['a long key', { idempotency_key: 'k'.repeat(256) }, 'INVALID_ARGUMENT', 'idempotency_key'],
    ['another queue', { queue_name: 'reports' }, 'PERMISSION_DENIED', 'reports'],
    ['a large payload', { payload: { a: 'x'.repeat(70_000) } }, 'RESOURCE_EXHAUSTED', '65536'],
  ])('refuses %s', async (_, request, code, words) => {
    const scope = request['queue_name'] === undefined ? ['emails'] : ['emails', 'a b'];
    const tenant = world.key({ queues: scope, plan: plans.free });
    const answer = await refusal(tenant, 'Enqueue', { queue_name: 'emails', ...request });
    expect(answer).toMatchObject({ code, details: expect.stringContaining(words) });
    expect(await tenant.events()).toEqual([]);
  });

  it('refuses what the plan does not allow with the words of REST', async () => {
    const tenant = world.key({ plan: { max_active_jobs: 1 } });
    await enqueue(tenant);
    const rest = await tenant.call('POST', '/jobs', { queue_name: 'emails', payload: {} });
    expect(await refusal(tenant, 'Enqueue', { queue_name: 'emails' })).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      details: rest.body['message'],
    });
  });

  it('shares transactions with other calls of the moment', async () => {
    const tenant = world.key();
    await Promise.all(Array.from({ length: 100 }, () => enqueue(tenant)));
    const { rows } = await world.owner.query<{ count: number }>(
      'select count(*)::int as count from events.log where organization_id = $1',
      [tenant.organizationId],
    );
    expect(rows[0]!.count).toBeLessThan(50);
  });
});

describe('Dequeue', () => {
  it('leases a job and tells all of it', async () => {
    const tenant = world.key();
    const id = await enqueue(tenant, { payload: { a: 1 }, priority: 3, idempotency_key: 'k' });
    const [job] = await dequeue(tenant, { lease_duration_secs: 60 });
    const rest = await tenant.job(id);
    expect(job).toEqual({
      id,
      organization_id: tenant.organizationId,
      queue_name: 'emails',
      status: 'JOB_STATUS_PROCESSING',
      payload: { a: 1 },
      result: null,
      retry_count: 0,
      max_retries: 3,
      last_error: '',
      priority: 3,
      timeout_seconds: 300,
      created_at: new Date(rest.created_at),
      scheduled_at: null,
      started_at: new Date(rest.started_at!),
      completed_at: null,
      lease_expires_at: new Date(rest.lease_expires_at!),
      assigned_worker_id: 'w-1',
      idempotency_key: 'k',
      lease_id: rest.lease_id,
      traceparent: '',
    });
    expect(await read(tenant, id)).toEqual(job);
    expect(await tenant.story(id)).toEqual(['JobCreated 1', 'pending→processing 2']);
  });

  it('tells a retry what went wrong before', async () => {
    const tenant = world.key();
    const { id } = await leased(tenant);
    await call(tenant, 'Fail', { job_id: id, worker_id: 'w-1', error: 'no route', retry: true });
    await tenant.makeDue(id as string);
    const job = await eventually(async () => (await dequeue(tenant))[0] ?? null);
    expect(job).toMatchObject({ id, retry_count: 1, last_error: 'no route' });
  });

  it.each<[lease: number, secs: number]>([
    [0, 300],
    [-5, 300],
    [1, 5],
    [60, 60],
    [9999, 3600],
  ])('with a lease of %d seconds grants %d', async (lease_duration_secs, secs) => {
    const tenant = world.key();
    await enqueue(tenant);
    await expectAhead(secs, async () => {
      const [job] = await dequeue(tenant, { lease_duration_secs });
      return job!['lease_expires_at'] as Date;
    });
  });

  it.each<[batch: number, got: number]>([
    [0, 1],
    [-1, 1],
    [1, 1],
    [3, 3],
    [100, 110 - 10],
    [1000, 100],
  ])('with a batch size of %d gets %d of 110', async (batch_size, got) => {
    const tenant = world.key();
    for (const length of [100, 10]) {
      const jobs = Array.from({ length }, (_, n) => ({ payload: n }));
      await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
    }
    expect(await dequeue(tenant, { batch_size })).toHaveLength(got);
  });

  it('takes in the order of REST, and nothing from a paused, empty or unknown queue', async () => {
    const tenant = world.key();
    const low = await enqueue(tenant, { priority: -1 });
    const high = await enqueue(tenant, { priority: 1 });
    expect((await dequeue(tenant, { batch_size: 2 })).map(({ id }) => id)).toEqual([high, low]);
    expect(await dequeue(tenant)).toEqual([]);
    expect(await dequeue(tenant, { queue_name: 'nowhere' })).toEqual([]);
    await enqueue(tenant);
    await tenant.call('POST', '/queues/emails/pause');
    expect(await dequeue(tenant)).toEqual([]);
  });

  it.each<[payload: unknown, struct: unknown]>([
    [7, { value: 7 }],
    ['text', { value: 'text' }],
    [null, { value: null }],
    [[1, 2], { value: [1, 2] }],
    [{}, {}],
  ])('shows the payload %j of REST as %j', async (payload, struct) => {
    const tenant = world.key();
    await tenant.enqueue({ payload });
    expect((await dequeue(tenant))[0]!['payload']).toEqual(struct);
  });

  it('shows a number that no double holds as the nearest one', async () => {
    const tenant = world.key();
    const body = '{"queue_name":"emails","payload":{"n":12345678901234567890}}';
    await tenant.call('POST', '/jobs', body);
    await tenant.call('POST', '/jobs', body.replace('{"n":12345678901234567890}', '1e400'));
    const jobs = await dequeue(tenant, { batch_size: 2 });
    expect(jobs[0]!['payload']).toEqual({ n: 12345678901234567000 });
    expect(jobs[1]!['payload']).toEqual({ value: Infinity });
  });

  it.each<[what: string, request: GrpcMessage, code: string, words: string]>([
    ['no worker', { worker_id: '' }, 'INVALID_ARGUMENT', 'Worker ID'],
    ['a long worker id', { worker_id: 'w'.repeat(256) }, 'INVALID_ARGUMENT', 'Worker ID'],
    ['no queue', { queue_name: '' }, 'INVALID_ARGUMENT', 'Queue name'],
    ['another queue', { queue_name: 'reports' }, 'PERMISSION_DENIED', 'reports'],
  ])('refuses %s', async (_, over, code, words) => {
    const request = { queue_name: 'emails', worker_id: 'w-1', ...over };
    expect(await refusal(world.key({ queues: ['emails'] }), 'Dequeue', request)).toMatchObject({
      code,
      details: expect.stringContaining(words),
    });
  });

  it('leases nothing to a caller whose deadline has passed', async () => {
    const tenant = world.key();
    const id = await enqueue(tenant);
    // Nobody can be leased this job until the transaction ends.
    const blocker = await world.client();
    await blocker.query('begin');
    await blocker.query('lock table jobs.queue in access exclusive mode');
    const answer = client.call(
      'Dequeue',
      { queue_name: 'emails', worker_id: 'w-1' },
      { 'x-api-key': tenant.credential },
      { deadline: Date.now() + 200 },
    );
    await expect(answer).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await blocker.query('rollback');
    await eventually(async () => {
      const [job] = await dequeue(tenant, { worker_id: 'w-2' });
      expect(job).toMatchObject({ id, assigned_worker_id: 'w-2', retry_count: 0 });
    });
  });
});

describe('Complete', () => {
  it.each<[result: GrpcMessage | null, stored: unknown, shown: unknown]>([
    [
      { ok: true, n: 2 },
      { ok: true, n: 2 },
      { ok: true, n: 2 },
    ],
    [{}, {}, {}],
    [null, null, null],
  ])('stores the result %j', async (result, stored, shown) => {
    const tenant = world.key();
    const { id, lease_id } = await leased(tenant);
    const request = { job_id: id, worker_id: 'w-1', lease_id, result };
    expect(await call(tenant, 'Complete', request)).toEqual({ success: true });
    expect(await tenant.job(id as string)).toMatchObject({ status: 'completed', result: stored });
    expect(await read(tenant, id as string)).toMatchObject({
      status: 'JOB_STATUS_COMPLETED',
      result: shown,
      completed_at: expect.any(Date),
    });
    const { rows } = await world.owner.query<{ result: string }>(
      'select result::text from jobs.job_finished where id = $1',
      [id],
    );
    expect(JSON.parse(rows[0]!.result)).toEqual(stored);
    expect(await tenant.story(id as string)).toEqual([
      'JobCreated 1',
      'pending→processing 2',
      'processing→completed 3',
      'JobCompleted 3',
    ]);
  });

  it.each<[bytes: number, code: string]>([
    [1_048_576, 'OK'],
    [1_048_577, 'INVALID_ARGUMENT'],
  ])('of a result of %d bytes is %s', async (bytes, code) => {
    const tenant = world.key();
    const { id } = await leased(tenant);
    const result = { a: 'x'.repeat(bytes - '{"a":""}'.length) };
    const answer = await refusal(tenant, 'Complete', { job_id: id, worker_id: 'w-1', result });
    expect(answer.code).toBe(code);
  });
});

describe('Fail', () => {
  it.each<[retryCount: number, delaySecs: number]>([
    [0, 1],
    [1, 2],
    [5, 32],
    [6, 60],
    [40, 60],
  ])('after %d retries comes back after %d s', async (retryCount, delaySecs) => {
    const tenant = world.key();
    const { id } = await leased(tenant, { max_retries: 50 });
    await world.owner.query('update jobs.job_running set retry_count = $2 where id = $1', [
      id,
      retryCount,
    ]);
    const request = { job_id: id, worker_id: 'w-1', error: 'boom', retry: true };
    await expectAhead([delaySecs, delaySecs + 0.5], async () => {
      expect(await call(tenant, 'Fail', request)).toEqual({
        success: true,
        will_retry: true,
        next_retry_delay_secs: delaySecs,
      });
      const job = await tenant.job(id as string);
      expect(job).toMatchObject({
        status: 'pending',
        retry_count: retryCount + 1,
        last_error: 'boom',
      });
      return new Date(job.scheduled_at!);
    });
  });

  it.each<[why: string, retry: boolean, maxRetries: number, reason: string]>([
    ['retry is false', false, 3, 'given up'],
    ['the budget is spent', true, 1, 'retries spent'],
  ])('makes a dead letter when %s', async (_, retry, max_retries, reason) => {
    const tenant = world.key();
    const { id } = await leased(tenant, { max_retries });
    const spent = retry ? 1 : 0;
    await world.owner.query('update jobs.job_running set retry_count = $2 where id = $1', [
      id,
      spent,
    ]);
    const request = { job_id: id, worker_id: 'w-1', error: 'boom', retry };
    expect(await call(tenant, 'Fail', request)).toEqual({
      success: true,
      will_retry: false,
      next_retry_delay_secs: 0,
    });
    expect(await tenant.job(id as string)).toMatchObject({
      status: 'deadletter',
      retry_count: spent,
      last_error: 'boom',
    });
    const { body } = await tenant.call<{ reason: string }[]>('GET', '/jobs/dlq');
    expect(body).toMatchObject([{ id, reason }]);
    expect(await tenant.story(id as string)).toEqual([
      'JobCreated 1',
      'pending→processing 2',
      'processing→deadletter 3',
      'JobFailed 3',
    ]);
  });

  it.each<[what: string, error: string, stored: string]>([
    ['an empty text', '', ''],
    ['4096 bytes', 'x'.repeat(4096), 'x'.repeat(4096)],
    ['one byte more', 'x'.repeat(4097), 'x'.repeat(4096)],
    ['a character across the border', `${'x'.repeat(4095)}é`, 'x'.repeat(4095)],
    ['a NUL', 'a\0b', 'a\uFFFDb'],
  ])('keeps of %s what fits', async (_, error, stored) => {
    const tenant = world.key();
    const { id } = await leased(tenant);
    await call(tenant, 'Fail', { job_id: id, worker_id: 'w-1', error, retry: true });
    expect((await tenant.job(id as string)).last_error).toBe(stored);
  });
});

describe('RenewLease', () => {
  it.each<[extension: number, secs: number]>([
    [0, 300],
    [-1, 300],
    [2, 5],
    [120, 120],
    [100_000, 3600],
  ])('by %d seconds makes it end in %d', async (extension_secs, secs) => {
    const tenant = world.key();
    const { id, lease_id } = await leased(tenant);
    const request = { job_id: id, worker_id: 'w-1', extension_secs, lease_id };
    const ends = await expectAhead(secs, async () => {
      const answer = await call(tenant, 'RenewLease', request);
      expect(answer['success']).toBe(true);
      return answer['new_expires_at'] as Date;
    });
    expect((await tenant.job(id as string)).lease_expires_at).toBe(ends.toISOString());
  });
});

/** What each of the three answers to a lease that does not hold. */
describe('the fence', () => {
  type Setting = (tenant: Tenant) => Promise<GrpcMessage>;
  const proof = async (tenant: Tenant, over: GrpcMessage = {}): Promise<GrpcMessage> => {
    const { id, lease_id } = await leased(tenant);
    return { job_id: id, worker_id: 'w-1', lease_id, ...over };
  };
  const settled =
    (how: string, more: GrpcMessage = {}): Setting =>
    async (tenant) => {
      const shown = await proof(tenant);
      await call(tenant, how, { ...shown, ...more });
      return shown;
    };
  const unknown = 'NOT_FOUND: Job not found or not owned by worker';
  const expired = 'FAILED_PRECONDITION: Lease expired';

  const rows: [what: string, setting: Setting, settle: string, renew: string][] = [
    ['the lease id', (tenant) => proof(tenant), 'OK', 'OK'],
    ['the worker id alone', (tenant) => proof(tenant, { lease_id: '' }), 'OK', 'OK'],
    [
      'no such job',
      async () => ({ job_id: randomUUID(), worker_id: 'w-1' }),
      unknown,
      'success=false',
    ],
    ['no uuid', async () => ({ job_id: 'nope', worker_id: 'w-1' }), unknown, 'success=false'],
    ['a job of another organization', async () => proof(world.key()), unknown, 'success=false'],
    ['another worker', (tenant) => proof(tenant, { worker_id: 'w-2' }), unknown, 'success=false'],
    [
      'a queue outside the scope',
      async ({ organizationId, world: { key } }) => {
        const all = key.call(world, { organizationId });
        const id = await enqueue(all, { queue_name: 'reports' });
        await dequeue(all, { queue_name: 'reports' });
        return { job_id: id, worker_id: 'w-1' };
      },
      unknown,
      'success=false',
    ],
    [
      'a lease that ran out',
      async (tenant) => {
        const shown = await proof(tenant);
        await tenant.expireLease(shown['job_id'] as string);
        return shown;
      },
      expired,
      expired,
    ],
    [
      'a superseded lease id',
      (tenant) => proof(tenant, { lease_id: randomUUID() }),
      expired,
      expired,
    ],
    ['a lease id that is no uuid', (tenant) => proof(tenant, { lease_id: 'x' }), expired, expired],
    [
      'a completed job',
      settled('Complete'),
      'FAILED_PRECONDITION: Job is already completed',
      'FAILED_PRECONDITION: Job is already completed',
    ],
    [
      'a dead letter',
      settled('Fail', { retry: false }),
      'FAILED_PRECONDITION: Job is already deadletter',
      'FAILED_PRECONDITION: Job is already deadletter',
    ],
    ['a job that waits for its retry', settled('Fail', { retry: true }), expired, expired],
    [
      'no job id',
      async () => ({ job_id: '', worker_id: 'w-1' }),
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
    ],
    [
      'no worker id',
      async () => ({ job_id: randomUUID(), worker_id: '' }),
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
    ],
  ];
  const cases = rows.flatMap(([what, setting, settle, renew]) =>
    ['Complete', 'Fail', 'RenewLease'].map(
      (method) => [method, what, setting, method === 'RenewLease' ? renew : settle] as const,
    ),
  );

  it.each(cases)('%s, shown %s', async (method, _, setting, outcome) => {
    const tenant = world.key({ queues: ['emails'] });
    const request = await setting(tenant);
    const answer = await refusal(tenant, method, request);
    if (outcome === 'success=false') {
      expect(answer).toMatchObject({ code: 'OK' });
      expect(JSON.parse(answer.details)).toEqual({ success: false, new_expires_at: null });
    } else if (outcome === 'OK') {
      expect(answer).toMatchObject({ code: 'OK', details: expect.stringContaining('true') });
    } else {
      expect(`${answer.code}: ${answer.details}`).toContain(outcome);
    }
  });
});

describe('GetJob', () => {
  it.each<[what: string, id: (tenant: Tenant) => Promise<string> | string]>([
    ['an unknown id', () => randomUUID()],
    ['no id', () => ''],
    ['what is no id', () => 'nope'],
    ['a job of another organization', () => enqueue(world.key())],
    [
      'a job outside the scope',
      ({ organizationId }) => enqueue(world.key({ organizationId }), { queue_name: 'reports' }),
    ],
  ])('of %s is an answer without a job', async (_, id) => {
    const tenant = world.key({ queues: ['emails'] });
    expect(await read(tenant, await id(tenant))).toBeNull();
  });

  it.each([
    ['JOB_STATUS_PENDING', async (tenant: Tenant) => enqueue(tenant)],
    [
      'JOB_STATUS_SCHEDULED',
      async (tenant: Tenant) => enqueue(tenant, { scheduled_at: new Date(Date.now() + 60_000) }),
    ],
    ['JOB_STATUS_DEADLETTER', async (tenant: Tenant) => tenant.deadLetter()],
    [
      'JOB_STATUS_CANCELLED',
      async (tenant: Tenant) => {
        const id = await enqueue(tenant);
        await tenant.cancel(id);
        return id;
      },
    ],
  ])('shows %s', async (name, made) => {
    const tenant = world.key();
    expect(await read(tenant, await made(tenant))).toMatchObject({ status: name });
  });
});

describe('GetQueueStats', () => {
  it('counts by status, and tells the age of the oldest pending job', async () => {
    const tenant = world.key();
    const old = await enqueue(tenant, { priority: -100 });
    await world.owner.query(
      `update jobs.job set created_at = now() - interval '1 day' where id = $1`,
      [old],
    );
    await enqueue(tenant, { scheduled_at: new Date(Date.now() + 60_000) });
    await enqueue(tenant);
    const [job] = await dequeue(tenant);
    await call(tenant, 'Complete', { job_id: job!['id'], worker_id: 'w-1' });
    await enqueue(tenant);
    await dequeue(tenant);
    await tenant.cancel(await enqueue(tenant));
    const stats = await call(tenant, 'GetQueueStats', { queue_name: 'emails' });
    expect(stats).toEqual({
      queue_name: 'emails',
      pending: 1,
      scheduled: 1,
      processing: 1,
      completed: 1,
      failed: 0,
      deadletter: 0,
      total: 5,
      max_age_ms: expect.any(Number),
    });
    expect(stats['max_age_ms']).toBeGreaterThanOrEqual(86_400_000);
    expect(stats['max_age_ms']).toBeLessThan(87_000_000);
  });

  it('takes a job that waits for its retry or its parent for pending', async () => {
    const tenant = world.key();
    const parent = await enqueue(tenant);
    const child = await tenant.enqueue({ parent_job_id: parent });
    await dequeue(tenant);
    await world.owner.query(
      `update jobs.job set created_at = now() - interval '1 hour' where id = $1`,
      [child],
    );
    const stats = await call(tenant, 'GetQueueStats', { queue_name: 'emails' });
    expect(stats).toMatchObject({ pending: 1 });
    expect(stats['max_age_ms']).toBeGreaterThanOrEqual(3_600_000);
  });

  it('of an unknown queue is all zeros', async () => {
    const stats = await call(world.key(), 'GetQueueStats', { queue_name: 'nowhere' });
    expect(Object.values(stats)).toEqual(['nowhere', 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it.each([
    ['', 'INVALID_ARGUMENT', 'Queue name'],
    ['reports', 'PERMISSION_DENIED', 'reports'],
  ])('of %j is refused', async (queue_name, code, words) => {
    const tenant = world.key({ queues: ['emails'] });
    expect(await refusal(tenant, 'GetQueueStats', { queue_name })).toMatchObject({
      code,
      details: expect.stringContaining(words),
    });
  });
});

describe('every call', () => {
  const methods = [
    'Enqueue',
    'Dequeue',
    'Complete',
    'Fail',
    'RenewLease',
    'GetJob',
    'GetQueueStats',
  ];
  it.each(methods)('%s wants a good key', async (method) => {
    await expect(client.call(method, {})).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: 'Missing x-api-key or authorization header',
    });
    await expect(client.call(method, {}, { 'x-api-key': 'sp_test_no' })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining('Invalid'),
    });
  });

  it('counts against the limits of its organization, and tells when to try again', async () => {
    const tenant = world.key({
      plan: { rate_limit_requests_per_second: 1, rate_limit_burst: 2 },
    });
    // More in one moment than a slow machine could earn meanwhile.
    const calls = Array.from({ length: 40 }, () => refusal(tenant, 'GetJob', { job_id: 'x' }));
    const answers = await Promise.all(calls);
    expect(answers.find(({ code }) => code !== 'OK')).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      details: expect.stringContaining('Rate limit exceeded'),
      trailers: { 'retry-after': expect.stringMatching(/^\d+$/) },
    });
  });
});
