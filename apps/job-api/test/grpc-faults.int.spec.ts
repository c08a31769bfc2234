import { eventually, postgresServer, type GrpcClient } from '@spooled/testing';
import { JobStream, queueClient, RequestStream } from './grpc-worker.js';
import { World } from './setup.js';

type PostgresServer = Awaited<ReturnType<typeof postgresServer>>;

let postgres: PostgresServer;
let world: World;
let client: GrpcClient;
beforeAll(async () => {
  postgres = await postgresServer({ isDurable: true });
  world = await World.setup({ databaseUrl: postgres.urlOf('postgres') });
  client = queueClient(world);
});
afterAll(() => world.stop());

/** Answered with a status instead of thrown. */
const code = (method: string, request: object, credential: string): Promise<string> =>
  client.call(method, { ...request }, { 'x-api-key': credential }).then(
    () => 'OK',
    ({ code: number }: { code: number }) => String(number),
  );

describe('PostgreSQL that is away for a while', () => {
  it('ends no stream, and loses no job', async () => {
    const tenant = world.key();
    const { credential } = tenant;
    const idle = await new JobStream(client, tenant, { queue_name: 'idle' }).opened();
    const pushed = new JobStream(client, tenant, { worker_id: 'w-1' });
    const requests = await new RequestStream(client, tenant).opened();
    const before = await tenant.enqueue();
    await pushed.got(1);

    await postgres.stop('immediate');
    const refused = await Promise.all(
      ['Enqueue', 'Dequeue'].map((method) =>
        code(method, { queue_name: 'emails', worker_id: 'w-1' }, credential),
      ),
    );
    expect(refused).toEqual(['14', '14']);
    const dequeue = { dequeue: { queue_name: 'emails', worker_id: 'w-1' } };
    expect(await requests.ask(dequeue)).toMatchObject({ error: { code: 'INTERNAL' } });

    await postgres.start();
    await eventually(async () => (await code('GetJob', { job_id: 'x' }, credential)) === 'OK');
    const ids: string[] = [];
    await eventually(async () => {
      const answer = await tenant.call<{ id: string }>('POST', '/jobs', {
        queue_name: 'emails',
        payload: {},
      });
      expect(answer.status).toBe(201);
      ids.push(answer.body.id);
    });
    ids.push(await tenant.enqueue());
    await pushed.got(3);
    expect(pushed.ids).toEqual([before, ...ids]);
    ids.push(await tenant.enqueue({ queue_name: 'idle' }));
    await idle.got(1);
    const headers = { 'x-api-key': credential };
    for (const { id, lease_id } of pushed.jobs) {
      const request = { job_id: id, worker_id: 'w-1', lease_id };
      expect(await client.call('Complete', request, headers)).toEqual({ success: true });
    }
    expect(await requests.ask(dequeue)).toMatchObject({ error: { code: 'NO_JOBS' } });
    for (const stream of [idle, pushed, requests]) {
      expect(stream.ending).toBeUndefined();
      stream.cancel();
    }
  });
});

describe('NATS that is away for a while', () => {
  it('ends no stream, and what is enqueued here is pushed at once', async () => {
    const tenant = world.key();
    const pushed = await new JobStream(client, tenant).opened();
    await world.nats.kill();
    for (let n = 0; n < 5; n += 1) {
      const id = await tenant.enqueue();
      await pushed.got(n + 1);
      expect(pushed.ids.at(-1)).toBe(id);
    }
    await world.nats.start();
    await tenant.enqueue();
    await pushed.got(6);
    expect(pushed.ending).toBeUndefined();
    pushed.cancel();
  });
});
