import { eventually, type GrpcClient, type GrpcMessage } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { queueClient, RequestStream } from './grpc-worker.js';
import { World, type Tenant } from './setup.js';

let world: World;
let client: GrpcClient;
beforeAll(async () => {
  world = await World.setup();
  client = queueClient(world);
});
afterAll(() => world.stop());

const open = (tenant: Tenant) => new RequestStream(client, tenant);

const dequeue = (over: GrpcMessage = {}): GrpcMessage => ({
  dequeue: { queue_name: 'emails', worker_id: 'w-1', ...over },
});

/** What an answer holds, and its content. */
function content(answer: GrpcMessage): [kind: string, content: GrpcMessage] {
  const kind = answer['response'] as string;
  return [kind, answer[kind] as GrpcMessage];
}

async function errorOf(stream: RequestStream, request: GrpcMessage): Promise<GrpcMessage> {
  const [kind, error] = content(await stream.ask(request));
  expect(kind).toBe('error');
  return error;
}

async function leasedOn(stream: RequestStream, tenant: Tenant, over = {}): Promise<GrpcMessage> {
  const id = await tenant.enqueue(over);
  const [kind, job] = content(await stream.ask(dequeue()));
  expect([kind, job['id']]).toEqual(['job', id]);
  return { job_id: id, worker_id: 'w-1', lease_id: job['lease_id'] };
}

describe('ProcessJobs', () => {
  it('does all that a worker does, one answer for each request', async () => {
    const tenant = world.key();
    const stream = await open(tenant).opened();
    const id = await tenant.enqueue({ payload: { n: 1 } });
    const [kind, job] = content(await stream.ask(dequeue({ lease_duration_secs: 60 })));
    expect([kind, job]).toEqual([
      'job',
      expect.objectContaining({ id, payload: { n: 1 }, assigned_worker_id: 'w-1' }),
    ]);
    const proof = { job_id: id, worker_id: 'w-1', lease_id: job['lease_id'] };
    const renewed = await stream.ask({ renew_lease: { ...proof, extension_secs: 500 } });
    expect(content(renewed)).toEqual([
      'renew_lease',
      { success: true, new_expires_at: expect.any(Date) },
    ]);
    const failed = await stream.ask({ fail: { ...proof, error: 'no route', retry: true } });
    expect(content(failed)).toEqual([
      'fail',
      { success: true, will_retry: true, next_retry_delay_secs: 1 },
    ]);
    const other = await leasedOn(stream, tenant);
    const done = await stream.ask({ complete: { ...other, result: { ok: true } } });
    expect(content(done)).toEqual(['complete', { success: true }]);
    expect(await tenant.job(other['job_id'] as string)).toMatchObject({
      status: 'completed',
      result: { ok: true },
    });
    stream.halfClose();
    expect(await stream.ended()).toMatchObject({ code: 'OK' });
    expect(stream.answers).toHaveLength(5);
  });

  it('answers in the order of the requests, however many are under way', async () => {
    const tenant = world.key();
    const jobs = Array.from({ length: 100 }, (_, n) => ({ payload: { n } }));
    for (let page = 0; page < 2; page += 1) {
      await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
    }
    const stream = open(tenant);
    const kinds = Array.from({ length: 300 }, (_, n) => n % 3);
    stream.send(
      ...kinds.map((kind) => {
        if (kind === 0) return dequeue();
        if (kind === 1) return {};
        return { complete: { job_id: randomUUID(), worker_id: 'w-1' } };
      }),
    );
    stream.halfClose();
    expect(await stream.ended()).toMatchObject({ code: 'OK' });
    const answers = stream.answers.map(content);
    expect(answers.map(([kind, { code }]) => (kind === 'job' ? 0 : code))).toEqual(
      kinds.map((kind) => [0, 'INVALID_REQUEST', 'NOT_FOUND'][kind]),
    );
    const ids = answers.filter(([kind]) => kind === 'job').map(([, { id }]) => id);
    expect(new Set(ids).size).toBe(100);
  });

  it('settles what comes together in few transactions', async () => {
    const tenant = world.key();
    const jobs = Array.from({ length: 100 }, () => ({ payload: 1 }));
    await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
    const claimed = await tenant.claim({ limit: 100 });
    const count = async (): Promise<number> => {
      const { rows } = await world.owner.query<{ count: number }>(
        'select count(*)::int as count from events.log where organization_id = $1',
        [tenant.organizationId],
      );
      return rows[0]!.count;
    };
    const before = await count();
    const stream = open(tenant);
    stream.send(...claimed.map(({ id }) => ({ complete: { job_id: id, worker_id: 'w-1' } })));
    stream.halfClose();
    expect(await stream.ended()).toMatchObject({ code: 'OK' });
    expect(stream.answers.map(content)).toEqual(claimed.map(() => ['complete', { success: true }]));
    // A hundred if nothing were shared; how few depends on how busy the machine is.
    expect((await count()) - before).toBeLessThan(75);
    expect(await tenant.stats()).toMatchObject({ processing: 0, completed: 100 });
  });

  it('gives one job for one request, whatever the batch size', async () => {
    const tenant = world.key();
    await tenant.enqueue();
    await tenant.enqueue();
    expect(content(await open(tenant).ask(dequeue({ batch_size: 100 })))[0]).toBe('job');
    expect(await tenant.stats()).toMatchObject({ pending: 1, processing: 1 });
  });

  it('ends with OK when the client has nothing to ask', async () => {
    const stream = open(world.key());
    stream.halfClose();
    expect(await stream.ended()).toMatchObject({ code: 'OK' });
    expect(stream.answers).toEqual([]);
  });

  it('wants a good key', async () => {
    const tenant = world.key();
    world.changeKey(tenant, undefined);
    expect(await open(tenant).ended()).toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});

describe('an error on the stream', () => {
  type Ask = (stream: RequestStream, tenant: Tenant) => Promise<GrpcMessage> | GrpcMessage;
  const settledBy =
    (how: 'complete' | 'fail'): Ask =>
    async (stream, tenant) => {
      const proof = await leasedOn(stream, tenant);
      await stream.ask({ [how]: { ...proof, retry: false } });
      return { complete: proof };
    };
  const cases: [what: string, code: string, words: string, ask: Ask][] = [
    ['no job', 'NO_JOBS', '', () => dequeue()],
    [
      'a paused queue',
      'NO_JOBS',
      '',
      async (_, tenant) => {
        await tenant.enqueue();
        await tenant.call('POST', '/queues/emails/pause');
        return dequeue();
      },
    ],
    ['nothing asked', 'INVALID_REQUEST', '', () => ({})],
    ['no worker', 'INVALID_ARGUMENT', 'Worker ID', () => dequeue({ worker_id: '' })],
    ['no queue', 'INVALID_ARGUMENT', 'Queue name', () => dequeue({ queue_name: '' })],
    ['a bad queue', 'INVALID_ARGUMENT', 'alphanumeric', () => dequeue({ queue_name: 'a b' })],
    [
      'no job id',
      'INVALID_ARGUMENT',
      'Job ID',
      () => ({ complete: { job_id: '', worker_id: 'w-1' } }),
    ],
    [
      'a result of more than 1 MiB',
      'INVALID_ARGUMENT',
      '1048576',
      async (stream, tenant) => {
        const proof = await leasedOn(stream, tenant);
        return { complete: { ...proof, result: { a: 'x'.repeat(1_048_576) } } };
      },
    ],
    ['another queue', 'PERMISSION_DENIED', 'reports', () => dequeue({ queue_name: 'reports' })],
    [
      'an unknown job',
      'NOT_FOUND',
      'not found',
      () => ({ complete: { job_id: randomUUID(), worker_id: 'w-1' } }),
    ],
    [
      'the lease of another worker',
      'NOT_FOUND',
      'not found',
      async (stream, tenant) => ({
        fail: { ...(await leasedOn(stream, tenant)), worker_id: 'w-2' },
      }),
    ],
    [
      'a renewal of an unknown job',
      'NOT_FOUND',
      'not found',
      () => ({ renew_lease: { job_id: randomUUID(), worker_id: 'w-1' } }),
    ],
    [
      'a lease that ran out',
      'LEASE_EXPIRED',
      'Lease expired',
      async (stream, tenant) => {
        const proof = await leasedOn(stream, tenant);
        await tenant.expireLease(proof['job_id'] as string);
        return { complete: proof };
      },
    ],
    [
      'a superseded lease',
      'LEASE_EXPIRED',
      'Lease expired',
      async (stream, tenant) => ({
        renew_lease: { ...(await leasedOn(stream, tenant)), lease_id: randomUUID() },
      }),
    ],
    ['a completed job', 'LEASE_EXPIRED', 'already completed', settledBy('complete')],
    ['a dead letter', 'LEASE_EXPIRED', 'already deadletter', settledBy('fail')],
  ];
  it.each(cases)('for %s is %s, and the stream goes on', async (_, code, words, ask) => {
    const tenant = world.key({ queues: ['emails'] });
    const stream = open(tenant);
    const request = await ask(stream, tenant);
    expect(await errorOf(stream, request)).toEqual({
      code,
      message: expect.stringContaining(words),
    });
    await tenant.call('POST', '/queues/emails/resume');
    await tenant.enqueue({ priority: 100 });
    expect(content(await stream.ask(dequeue()))[0]).toBe('job');
    expect(stream.ending).toBeUndefined();
  });

  it('is RATE_LIMIT_EXCEEDED for who asks too often, until a moment later', async () => {
    const tenant = world.key({ plan: { rate_limit_requests_per_second: 2, rate_limit_burst: 3 } });
    const stream = open(tenant);
    // More in one moment than a slow machine could earn meanwhile.
    stream.send(...Array.from({ length: 40 }, () => dequeue()));
    await eventually(() => stream.answers.length === 40);
    const codes = stream.answers.map((answer) => content(answer)[1]['code']);
    expect(new Set(codes)).toEqual(new Set(['NO_JOBS', 'RATE_LIMIT_EXCEEDED']));
    await eventually(async () => (await errorOf(stream, dequeue()))['code'] === 'NO_JOBS', {
      intervalMs: 100,
    });
  });

  it('is PERMISSION_DENIED once the key has lost the queue', async () => {
    const tenant = world.key({ queues: ['emails', 'reports'] });
    const stream = await open(tenant).opened();
    world.changeKey(tenant, { queues: ['reports'] });
    await eventually(
      async () => (await errorOf(stream, dequeue()))['code'] === 'PERMISSION_DENIED',
    );
    expect((await errorOf(stream, dequeue({ queue_name: 'reports' })))['code']).toBe('NO_JOBS');
  });

  it('is a general one when the fault is ours', async () => {
    const tenant = world.key();
    const stream = await open(tenant).opened();
    await world.owner.query('alter table jobs.job_running rename to job_gone');
    try {
      await tenant.enqueue();
      expect(await errorOf(stream, dequeue())).toEqual({
        code: 'INTERNAL',
        message: expect.not.stringMatching(/job_gone|relation|sql/i),
      });
    } finally {
      await world.owner.query('alter table jobs.job_gone rename to job_running');
    }
    expect(content(await stream.ask(dequeue()))[0]).toBe('job');
  });
});

describe('a stream of requests that ends early', () => {
  it('keeps its jobs leased: the worker may be at work', async () => {
    const tenant = world.key();
    const stream = open(tenant);
    const { job_id } = await leasedOn(stream, tenant);
    stream.cancel();
    await stream.ended();
    const again = open(tenant);
    expect((await errorOf(again, dequeue()))['code']).toBe('NO_JOBS');
    expect(await tenant.statusOf(job_id as string)).toBe('processing');
    await again.ask({ complete: { job_id, worker_id: 'w-1' } });
    expect(await tenant.statusOf(job_id as string)).toBe('completed');
  });

  it('ends with UNAUTHENTICATED when its key is revoked', async () => {
    const tenant = world.key();
    const stream = await open(tenant).opened();
    world.changeKey(tenant, undefined);
    expect(await stream.ended()).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('of a client that does not read leases no more than is under way', async () => {
    const tenant = world.key();
    const jobs = Array.from({ length: 100 }, () => ({ payload: { text: 'x'.repeat(20_000) } }));
    for (let page = 0; page < 3; page += 1) {
      await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
    }
    const stream = open(tenant);
    stream.call.pause();
    stream.send(...Array.from({ length: 300 }, () => dequeue()));
    // Begun, on the way, and read ahead by the client itself.
    let held = 0;
    await eventually(
      async () => {
        const { processing } = await tenant.stats();
        const isStill = processing === held;
        held = processing;
        return isStill && processing > 64;
      },
      { intervalMs: 300 },
    );
    expect(held).toBeLessThan(120);
    const other = open(tenant);
    expect(content(await other.ask(dequeue({ worker_id: 'w-2' })))[0]).toBe('job');
    stream.cancel();
    other.cancel();
  });
});
