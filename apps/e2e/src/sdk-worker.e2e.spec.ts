/** The worker of the published client on the real product. */
import {
  AuthenticationError,
  LeaseLostError,
  SpooledClient,
  SpooledWorker,
  type JobContext,
  type JobHandler,
  type SpooledWorkerOptions,
  type WorkerEvents,
} from '@spooled/sdk';
import { eventually } from '@spooled/testing';

import { FrayedLine } from './harness/frayed-line.js';
import { World, type Organization } from './harness/world.js';

let world: World;
let organization: Organization;
let client: SpooledClient;
let queueCount = 0;
const workers: SpooledWorker[] = [];

beforeAll(async () => {
  world = await World.start('standalone', { env: { WORKER_HEARTBEAT_INTERVAL_SECS: '1' } });
  organization = await world.organization('sdk-worker');
  client = connect(world.host.base());
});
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
});
afterAll(() => world?.stop());

/** Is renewed within some seconds, and outlasts a machine that stalls for as long. */
const RENEWED = { leaseDurationSecs: 15 };

const connect = (baseUrl: string, apiKey = organization.key) =>
  new SpooledClient({ baseUrl, apiKey, retry: { baseDelayMs: 20 } });
const newQueue = () => `sdk-worker-${(queueCount += 1)}`;

/** Holds handlers back. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

interface Told {
  readonly event: keyof WorkerEvents;
  readonly data: WorkerEvents[keyof WorkerEvents];
}

interface StartOptions extends Partial<SpooledWorkerOptions> {
  readonly from?: SpooledClient;
}

/** A running worker, and what it told. */
async function start(handler: JobHandler, { from = client, ...options }: StartOptions = {}) {
  const queueName = options.queueName ?? newQueue();
  const worker = new SpooledWorker(from, { queueName, shutdownTimeoutMs: 60_000, ...options });
  worker.process(handler);
  const told: Told[] = [];
  const names = [
    'started',
    'stopped',
    'error',
    'job:claimed',
    'job:started',
    'job:completed',
    'job:failed',
    'job:lease_lost',
  ] as const;
  for (const event of names) worker.on(event, (data) => told.push({ event, data }));
  await worker.start();
  workers.push(worker);
  return { worker, queueName, told, names: () => told.map(({ event }) => event) };
}

const create = async (queueName: string, payload: unknown = {}, maxRetries = 3) =>
  (await client.jobs.create({ queueName, payload, maxRetries })).id;

it('claims, works, reports and completes', async () => {
  const { worker, queueName, told, names } = await start(async (context) => {
    await context.progress(50, 'half');
    context.log('info', 'working', { on: context.jobId });
    context.log('warn', 'slowly');
    return { echo: context.payload };
  });
  const workerId = worker.getWorkerId() ?? '';
  expect(await client.workers.get(workerId)).toMatchObject({ status: 'healthy', queueName });
  const id = await create(queueName, { hello: 'world' });
  const job = await client.jobs.wait(id);
  expect(job).toMatchObject({ status: 'completed', result: { echo: { hello: 'world' } } });
  expect((await client.jobs.logs(id)).map(({ line }) => line)).toEqual([
    `[info] working {"on":"${id}"}`,
    '[warn] slowly',
  ]);
  await eventually(() =>
    expect(names()).toEqual(['started', 'job:claimed', 'job:started', 'job:completed']),
  );
  expect(told[0]?.data).toEqual({ workerId, queueName });
  await worker.stop();
  expect(told.at(-1)).toEqual({ event: 'stopped', data: { workerId, reason: 'graceful' } });
  expect(worker.getState()).toBe('stopped');
  expect(await client.workers.get(workerId)).toMatchObject({ status: 'offline' });
});

it('has a job tried again when the handler throws', async () => {
  const attempts: number[] = [];
  const { queueName, told } = await start(async ({ retryCount }) => {
    attempts.push(retryCount);
    if (retryCount === 0) throw new Error('not yet');
    return 'at last';
  });
  const id = await create(queueName);
  expect(await client.jobs.wait(id)).toMatchObject({ status: 'completed', result: 'at last' });
  expect(attempts).toEqual([0, 1]);
  await eventually(() =>
    expect(told.find(({ event }) => event === 'job:failed')?.data).toEqual({
      jobId: id,
      queueName,
      error: 'not yet',
      willRetry: true,
    }),
  );
});

it('leaves a job to the dead letters when its retries are spent', async () => {
  const { queueName, told } = await start(async () => {
    throw new Error('x'.repeat(5000));
  });
  const id = await create(queueName, {}, 0);
  expect(await client.jobs.wait(id)).toMatchObject({
    status: 'deadletter',
    lastError: 'x'.repeat(2048),
  });
  await eventually(() =>
    expect(told.find(({ event }) => event === 'job:failed')?.data).toMatchObject({
      willRetry: false,
    }),
  );
});

it('works at as many jobs at the same time as it is told to, and not at more', async () => {
  const queueName = newQueue();
  const release = gate();
  let running = 0;
  let most = 0;
  const ids = await Promise.all(Array.from({ length: 6 }, () => create(queueName)));
  const { worker } = await start(
    async () => {
      running += 1;
      most = Math.max(most, running);
      await release.opened;
      running -= 1;
    },
    { queueName, concurrency: 3 },
  );
  await eventually(() => expect(worker.getActiveJobCount()).toBe(3));
  release.open();
  const jobs = await Promise.all(ids.map((id) => client.jobs.wait(id)));
  expect(jobs.every(({ status }) => status === 'completed')).toBe(true);
  expect(most).toBe(3);
});

it('keeps the lease of a job that takes longer than a lease', async () => {
  let isAborted = false;
  const release = gate();
  const { queueName } = await start(async ({ signal }) => {
    await release.opened;
    isAborted = signal.aborted;
    return 'done';
  }, RENEWED);
  const id = await create(queueName);
  const leaseEnd = async () => Date.parse((await client.jobs.get(id)).leaseExpiresAt ?? '');
  await eventually(async () => expect(await leaseEnd()).toBeGreaterThan(0));
  const first = await leaseEnd();
  await eventually(async () => expect(await leaseEnd()).toBeGreaterThan(first), {
    intervalMs: 100,
  });
  release.open();
  expect(await client.jobs.wait(id)).toMatchObject({ status: 'completed', retryCount: 0 });
  expect(isAborted).toBe(false);
});

it('tells the handler when the job is no longer its own, and says nothing more of it', async () => {
  const contexts: JobContext[] = [];
  const { worker, queueName, told } = await start(
    async (context) => {
      contexts.push(context);
      if (contexts.length > 1) return 'second';
      await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
      return 'first';
    },
    { ...RENEWED, concurrency: 2 },
  );
  const id = await create(queueName);
  await eventually(() => expect(contexts).toHaveLength(1));
  // As when the server believes the worker to be dead: its jobs go back.
  await client.workers.deregister(worker.getWorkerId() ?? '');
  expect(await client.jobs.wait(id)).toMatchObject({ status: 'completed', result: 'second' });
  await eventually(() =>
    expect(told.find(({ event }) => event === 'job:lease_lost')).toBeDefined(),
  );
  expect(contexts[0]?.signal.reason).toBeInstanceOf(LeaseLostError);
  expect(told.filter(({ event }) => event === 'job:completed')).toHaveLength(1);
  // It has put itself on the list again.
  await eventually(async () => {
    const { status } = await client.workers.get(worker.getWorkerId() ?? '');
    expect(status).toBe('healthy');
  });
});

it('gives up a job that it could not renew in time, and goes on when the line is back', async () => {
  const line = await FrayedLine.to(world.host.base());
  const contexts: JobContext[] = [];
  const { queueName } = await start(
    async (context) => {
      contexts.push(context);
      if (contexts.length > 1) return 'second';
      await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
      return 'first';
    },
    { from: connect(line.url), leaseDurationSecs: 5 },
  );
  const id = await create(queueName);
  await eventually(() => expect(contexts).toHaveLength(1));
  line.takeDown();
  await eventually(() => expect(contexts[0]?.signal.aborted).toBe(true));
  line.mend();
  const job = await client.jobs.wait(id);
  expect(job).toMatchObject({ status: 'completed', result: 'second' });
});

it('tells an outcome until the server knows it', async () => {
  const line = await FrayedLine.to(world.host.base());
  const release = gate();
  const { queueName, names } = await start(
    async () => {
      await release.opened;
      return 'done';
    },
    { from: connect(line.url) },
  );
  const id = await create(queueName);
  await eventually(() => expect(names()).toContain('job:started'));
  // The server hears the outcome, the worker does not hear that it did.
  line.silence();
  release.open();
  await client.jobs.wait(id);
  line.mend();
  line.cut();
  await eventually(() => expect(names()).toContain('job:completed'));
  expect(names()).not.toContain('job:lease_lost');
});

it('finishes what it is at when it is stopped, and claims no more', async () => {
  const release = gate();
  const { worker, queueName, told } = await start(
    async () => {
      await release.opened;
      return 'finished';
    },
    { concurrency: 1 },
  );
  const id = await create(queueName);
  await eventually(() => expect(worker.getActiveJobCount()).toBe(1));
  const next = await create(queueName);
  const stopping = worker.stop();
  expect(worker.getState()).toBe('stopping');
  release.open();
  await stopping;
  expect(await client.jobs.get(id)).toMatchObject({ status: 'completed', result: 'finished' });
  expect(await client.jobs.get(next)).toMatchObject({ status: 'pending', retryCount: 0 });
  expect(told.at(-1)?.data).toMatchObject({ reason: 'graceful' });
});

it('gives back, without using up a retry, what is not finished in time', async () => {
  const { worker, queueName, told } = await start(
    ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
    { shutdownTimeoutMs: 50 },
  );
  const id = await create(queueName);
  await eventually(() => expect(worker.getActiveJobCount()).toBe(1));
  await worker.stop();
  expect(await client.jobs.get(id)).toMatchObject({ status: 'pending', retryCount: 0 });
  expect(told.find(({ event }) => event === 'stopped')?.data).toMatchObject({ reason: 'timeout' });
});

it('stops claiming when its key is revoked', async () => {
  const { id, key } = await client.apiKeys.create({ name: 'worker' });
  const from = connect(world.host.base(), key);
  const { worker, told } = await start(async () => undefined, { from, waitSecs: 1 });
  await client.apiKeys.revoke(id);
  await eventually(() => expect(worker.getState()).toBe('error'));
  await eventually(() => expect(told.at(-1)).toMatchObject({ event: 'error' }));
  expect((told.at(-1)?.data as WorkerEvents['error']).error).toBeInstanceOf(AuthenticationError);
  await worker.stop();
  expect(worker.getState()).toBe('stopped');
});

it('cannot be started without a handler, twice, or without being let in', async () => {
  const worker = new SpooledWorker(client, { queueName: newQueue() });
  await expect(worker.start()).rejects.toThrow('no handler');
  worker.process(async () => undefined);
  await worker.start();
  await expect(worker.start()).rejects.toThrow('running');
  expect(() => worker.process(async () => undefined)).toThrow('before');
  await worker.stop();
  const refused = new SpooledWorker(connect(world.host.base(), 'sp_test_wrong'), {
    queueName: newQueue(),
  });
  refused.process(async () => undefined);
  await expect(refused.start()).rejects.toBeInstanceOf(AuthenticationError);
  expect(refused.getState()).toBe('error');
});

describe('pushed jobs over gRPC', () => {
  const grpc = (address = world.host.grpcAddress('/jobs')) =>
    ({ transport: 'grpc', grpcUrl: `http://${address}` }) as const;

  it('works as over HTTP, with payloads and results that are no objects too', async () => {
    const { worker, queueName, names } = await start(async (context) => {
      await context.progress(50);
      context.log('info', 'working');
      if (context.payload === 'fail' && context.retryCount === 0) throw new Error('not yet');
      return context.payload;
    }, grpc());
    const payloads = [
      { nested: { list: [1, null, 'a'], isTrue: true } },
      'text',
      { value: 7 },
      'fail',
    ];
    const ids = await Promise.all(payloads.map((payload) => create(queueName, payload)));
    const jobs = await Promise.all(ids.map((id) => client.jobs.wait(id)));
    expect(jobs.map(({ result }) => result)).toEqual(payloads);
    expect(jobs.map(({ retryCount }) => retryCount)).toEqual([0, 0, 0, 1]);
    expect(await client.jobs.logs(ids[0] ?? '')).toMatchObject([{ line: '[info] working' }]);
    await worker.stop();
    expect(names().at(-1)).toBe('stopped');
    expect(await client.jobs.get(await create(queueName))).toMatchObject({ status: 'pending' });
  });

  it('keeps a lease, and tells the handler when it is lost', async () => {
    const contexts: JobContext[] = [];
    const { worker, queueName } = await start(
      async (context) => {
        contexts.push(context);
        if (contexts.length > 1) return 'second';
        await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
        return 'first';
      },
      { ...grpc(), ...RENEWED, concurrency: 2 },
    );
    const id = await create(queueName);
    const leaseEnd = async () => Date.parse((await client.jobs.get(id)).leaseExpiresAt ?? '');
    await eventually(() => expect(contexts).toHaveLength(1));
    const first = await leaseEnd();
    await eventually(async () => expect(await leaseEnd()).toBeGreaterThan(first), {
      intervalMs: 100,
    });
    await client.workers.deregister(worker.getWorkerId() ?? '');
    expect(await client.jobs.wait(id)).toMatchObject({ status: 'completed', result: 'second' });
    await eventually(() => expect(contexts[0]?.signal.reason).toBeInstanceOf(LeaseLostError));
  });

  it('goes on over lines that are cut, and is never at more than it should be', async () => {
    const line = await FrayedLine.to(`http://${world.host.grpcAddress('/jobs')}`);
    const queueName = newQueue();
    let running = 0;
    let most = 0;
    const runs: string[] = [];
    const release = gate();
    const ids = await Promise.all(Array.from({ length: 8 }, () => create(queueName)));
    const { worker } = await start(
      async ({ jobId }) => {
        runs.push(jobId);
        running += 1;
        most = Math.max(most, running);
        await release.opened;
        running -= 1;
      },
      { ...grpc(new URL(line.url).host), queueName, concurrency: 3 },
    );
    await eventually(() => expect(running).toBe(3));
    line.cut();
    // The stream that follows does not know of the three.
    await eventually(() => expect(worker.getActiveJobCount()).toBeGreaterThan(3));
    release.open();
    const jobs = await Promise.all(ids.map((id) => client.jobs.wait(id)));
    expect(jobs.every(({ status }) => status === 'completed')).toBe(true);
    expect(most).toBe(3);
    expect([...runs].sort()).toEqual([...ids].sort());
  });

  it('stops when its key is revoked, and goes on with a token that is renewed', async () => {
    const { id, key } = await client.apiKeys.create({ name: 'worker' });
    const revoked = await start(async () => undefined, {
      ...grpc(),
      from: connect(world.host.base(), key),
    });
    await client.apiKeys.revoke(id);
    await eventually(() => expect(revoked.worker.getState()).toBe('error'));
    const { refreshToken } = await client.auth.login({ apiKey: organization.key });
    const from = new SpooledClient({
      baseUrl: world.host.base(),
      accessToken: 'eyJ.not.good',
      refreshToken,
    });
    const { queueName } = await start(async () => 'done', { ...grpc(), from });
    expect(await client.jobs.wait(await create(queueName))).toMatchObject({ result: 'done' });
  });

  it('does not start without an address', async () => {
    const worker = new SpooledWorker(client, { queueName: newQueue(), transport: 'grpc' });
    worker.process(async () => undefined);
    await expect(worker.start()).rejects.toMatchObject({ code: 'CONFIGURATION_ERROR' });
  });
});
