import { NestFactory } from '@nestjs/core';
import { GrpcServer } from '@spooled/grpc';
import { onCleanUp, type GrpcClient } from '@spooled/testing';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { AppModule } from '../src/app.module.js';
import { JobStream, queueClient, sweep, type PushedMessage } from './grpc-worker.js';
import { World, type Tenant } from './setup.js';

const LIMIT = 4;

let world: World;
let client: GrpcClient;
beforeAll(async () => {
  world = await World.setup({
    environment: { LEASE_REAP_INTERVAL_MS: '100' },
  });
  client = queueClient(world);
});
afterAll(() => world.stop());

async function enqueueMany(tenant: Tenant, count: number): Promise<void> {
  const jobs = Array.from({ length: count }, () => ({ payload: 1 }));
  await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
}

const settle = (tenant: Tenant, method: string, { id, lease_id }: PushedMessage, more = {}) =>
  client.call(
    method,
    { job_id: id, worker_id: 'w-1', lease_id, ...more },
    { 'x-api-key': tenant.credential },
  );

/** A stream that has as many jobs as it may, of ten or so many. */
async function full(tenant: Tenant, jobs = 10): Promise<JobStream> {
  await enqueueMany(tenant, jobs);
  const stream = new JobStream(client, tenant, { max_unsettled: LIMIT });
  await stream.got(LIMIT);
  return stream;
}

describe('a stream whose jobs are not settled', () => {
  it('gets no more of them than it may have', async () => {
    const tenant = world.key();
    const stream = await full(tenant);
    await sweep(world);
    expect(stream.jobs).toHaveLength(LIMIT);
    expect(await tenant.stats()).toMatchObject({ pending: 10 - LIMIT, processing: LIMIT });
    stream.cancel();
  });

  it('gets one job after the other when it does not say how many', async () => {
    const tenant = world.key();
    await enqueueMany(tenant, 5);
    const stream = new JobStream(client, tenant, { max_unsettled: 0 });
    await stream.got(1);
    await sweep(world);
    for (let n = 1; n <= 5; n += 1) {
      await stream.got(n);
      expect(await tenant.stats()).toMatchObject({ processing: 1, completed: n - 1 });
      await settle(tenant, 'Complete', stream.jobs[n - 1]!);
    }
    expect(await tenant.stats()).toMatchObject({ pending: 0, completed: 5 });
    stream.cancel();
  });

  it('gets the next one in a moment when one is settled over gRPC at another instance', async () => {
    const other = await NestFactory.createApplicationContext(AppModule, {
      logger: false,
      abortOnError: false,
    });
    onCleanUp(() => other.close());
    const elsewhere = queueClient(world, other.get(GrpcServer).port);
    const tenant = world.key();
    await enqueueMany(tenant, 6);
    const stream = new JobStream(client, tenant, { max_unsettled: 1 });
    await stream.got(1);
    for (let n = 1; n <= 5; n += 1) {
      const { id, lease_id } = stream.jobs[n - 1]!;
      const proof = { job_id: id, worker_id: 'w-1', lease_id };
      const as = { 'x-api-key': tenant.credential };
      if (n % 2 === 0) await elsewhere.call('Complete', proof, as);
      else await elsewhere.call('Fail', { ...proof, retry: false }, as);
      await stream.got(n + 1);
    }
    stream.cancel();
  });

  it.each<[how: string, end: (tenant: Tenant, job: PushedMessage) => Promise<unknown>]>([
    ['is completed', (tenant, job) => settle(tenant, 'Complete', job)],
    ['fails', (tenant, job) => settle(tenant, 'Fail', job, { retry: false })],
    ['is completed over REST', (tenant, { id }) => tenant.complete(id)],
    ['fails over REST', (tenant, { id }) => tenant.fail(id)],
  ])('gets the next one in a moment when one %s', async (_, end) => {
    const tenant = world.key();
    const stream = await full(tenant);
    for (let n = 0; n < 3; n += 1) {
      await end(tenant, stream.jobs[n]!);
      await stream.got(LIMIT + n + 1);
    }
    expect(new Set(stream.ids).size).toBe(LIMIT + 3);
    stream.cancel();
  });

  it('gets the next one when one is settled by another instance and nobody says so', async () => {
    const tenant = world.key();
    const stream = await full(tenant);
    await world.owner.query('delete from jobs.job_running where id = $1', [stream.ids[0]]);
    await sweep(world);
    await stream.got(LIMIT + 1);
    expect(stream.jobs).toHaveLength(LIMIT + 1);
    stream.cancel();
  });

  it('gets a job once more when its lease runs out', async () => {
    const tenant = world.key();
    // There is no other that could come first.
    const stream = await full(tenant, LIMIT);
    const [first] = stream.ids;
    await tenant.expireLease(first!);
    await sweep(world);
    await stream.got(LIMIT + 1);
    expect(stream.jobs.at(-1)).toMatchObject({ id: first, retry_count: 1 });
    expect(stream.jobs.at(-1)!.lease_id).not.toBe(stream.jobs[0]!.lease_id);
    stream.cancel();
  });

  it('leaves the others to whoever comes', async () => {
    const tenant = world.key();
    const streams = [
      await full(tenant),
      new JobStream(client, tenant, { worker_id: 'w-2', max_unsettled: LIMIT }),
    ];
    await streams[1]!.got(LIMIT);
    expect(new Set(streams.flatMap(({ ids }) => ids)).size).toBe(2 * LIMIT);
    for (const stream of streams) stream.cancel();
  });
});

describe('a worker that is killed', () => {
  /** The only way to the server, which can be cut without a word. */
  async function wire(): Promise<{ port: number; cut: () => void }> {
    const sockets = new Set<Socket>();
    const proxy = createServer((near) => {
      const far = connect(world.grpcPort, '127.0.0.1');
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
      }
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const cut = (): void => {
      proxy.close();
      for (const socket of sockets) socket.destroy();
    };
    onCleanUp(cut);
    return { port: (proxy.address() as AddressInfo).port, cut };
  }

  it('loses its jobs when their leases run out; each comes back once', async () => {
    const tenant = world.key();
    await enqueueMany(tenant, LIMIT);
    const { port, cut } = await wire();
    const killed = new JobStream(queueClient(world, port), tenant, {
      worker_id: 'killed',
      lease_duration_secs: 3600,
    });
    await killed.got(LIMIT);
    cut();
    const next = await new JobStream(client, tenant).opened();
    await sweep(world);
    expect(next.jobs).toEqual([]);
    for (const id of killed.ids) await tenant.expireLease(id);
    await next.got(LIMIT);
    expect(next.ids.toSorted()).toEqual(killed.ids.toSorted());
    for (const job of next.jobs) {
      expect(job.retry_count).toBe(1);
      await settle(tenant, 'Complete', job);
    }
    await sweep(world);
    expect(next.jobs).toHaveLength(LIMIT);
    expect(await tenant.stats()).toMatchObject({ pending: 0, processing: 0, completed: LIMIT });
    // What the dead worker says now is too late.
    await expect(
      settle(tenant, 'Complete', killed.jobs[0]!, { worker_id: 'killed' }),
    ).rejects.toMatchObject({ details: expect.stringMatching(/not found|already/) });
  });
});
