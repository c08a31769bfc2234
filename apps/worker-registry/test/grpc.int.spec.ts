import { status } from '@grpc/grpc-js';
import { plans } from '@spooled/contracts';
import { GrpcServer } from '@spooled/grpc';
import { eventually, grpcClient, type GrpcClient } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { free, World } from './setup.js';

let world: World;
let client: GrpcClient;
beforeAll(async () => {
  world = await World.setup();
  client = grpcClient('spooled.v1.WorkerService', world.context.get(GrpcServer).port);
});
afterAll(async () => {
  client.close();
  await world.stop();
});

const valid = {
  queue_name: 'emails',
  hostname: 'host-1.example.com',
  worker_type: 'node',
  max_concurrency: 4,
  version: '1.2.3',
  metadata: { region: 'eu' },
};

const as = (credential: string) => ({ 'x-api-key': credential });

const register = async (credential: string, over: object = {}): Promise<string> => {
  const answer = await client.call('Register', { ...valid, ...over }, as(credential));
  return answer['worker_id'] as string;
};

const read = (credential: string, id: string) =>
  world.call(credential, 'GET', `/workers/${id}`).then(({ body }) => body);

describe('Register', () => {
  it('makes a worker that REST knows, under an id of its own each time', async () => {
    const { credential, organizationId } = world.key();
    const answer = await client.call('Register', valid, as(credential));
    expect(answer).toEqual({
      worker_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      lease_duration_secs: 30,
      heartbeat_interval_secs: 10,
    });
    expect(await register(credential)).not.toBe(answer['worker_id']);
    expect(await read(credential, answer['worker_id'] as string)).toMatchObject({
      id: answer['worker_id'],
      queue_name: 'emails',
      hostname: 'host-1.example.com',
      worker_type: 'node',
      max_concurrency: 4,
      version: '1.2.3',
      metadata: { region: 'eu' },
      status: 'healthy',
    });
    const [event] = await world.events(organizationId);
    expect(event).toMatchObject({
      type: 'WorkerRegistered',
      data: { worker_id: answer['worker_id'] },
    });
  });

  it.each([
    [0, 5],
    [-3, 1],
    [1, 1],
    [1000, 1000],
    [5000, 1000],
  ])('takes a concurrency of %d as %d', async (given, expected) => {
    const { credential } = world.key();
    const id = await register(credential, { max_concurrency: given });
    expect(await read(credential, id)).toMatchObject({ max_concurrency: expected });
  });

  it.each([
    ['no queue name', { queue_name: '' }, 'Queue name'],
    ['a bad queue name', { queue_name: 'a b' }, 'alphanumeric'],
    ['a queue name of 101 characters', { queue_name: 'q'.repeat(101) }, 'Queue name'],
    ['a queue name that starts with a dot', { queue_name: '.q' }, 'alphanumeric'],
    ['no hostname', { hostname: '' }, 'hostname'],
    ['a bad hostname', { hostname: 'host/1' }, 'hostname'],
    ['a hostname that starts with a dash', { hostname: '-host' }, 'hostname'],
    ['a hostname of 256 characters', { hostname: 'h'.repeat(256) }, 'hostname'],
  ])('refuses %s', async (_name, over, message) => {
    const { credential } = world.key();
    await expect(
      client.call('Register', { ...valid, ...over }, as(credential)),
    ).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining(message),
    });
  });

  it('registers an id of the caller’s choice again instead of a second worker', async () => {
    const { credential, organizationId } = world.key({ plan: { ...free, max_workers: 1 } });
    const own = { ...valid, worker_id: `pod-${randomUUID()}` };
    for (const hostname of ['host-1', 'host-2']) {
      const answer = await client.call('Register', { ...own, hostname }, as(credential));
      expect(answer).toMatchObject({ worker_id: own.worker_id });
    }
    expect(await read(credential, own.worker_id)).toMatchObject({ hostname: 'host-2' });
    expect((await world.events(organizationId)).map(({ type }) => type)).toEqual([
      'WorkerRegistered',
      'WorkerRegistered',
    ]);
    const stranger = as(world.key().credential);
    await expect(client.call('Register', own, stranger)).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: 'This worker_id is taken.',
    });
  });

  it('refuses a queue outside the scope of the key', async () => {
    const { credential } = world.key({ queues: ['reports'] });
    await expect(client.call('Register', valid, as(credential))).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
  });

  it('never overshoots the plan', async () => {
    const { credential } = world.key({ plan: { ...free, max_workers: 3 } });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 12 }, () => client.call('Register', valid, as(credential))),
    );
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(3);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        expect(outcome.reason).toMatchObject({
          code: status.RESOURCE_EXHAUSTED,
          details: expect.stringContaining('workers limit reached'),
        });
      }
    }
  });
});

describe('Heartbeat', () => {
  const beat = (credential: string, id: string, over: object = {}) =>
    client.call('Heartbeat', { worker_id: id, current_jobs: 1, ...over }, as(credential));

  it.each([
    [['healthy'], 'healthy', false],
    [[''], 'healthy', false],
    [['nonsense'], 'healthy', false],
    [['degraded'], 'degraded', false],
    [['offline'], 'offline', false],
    [['draining'], 'draining', true],
    [['draining', 'healthy'], 'draining', true],
    [['draining', 'degraded'], 'draining', true],
    [['draining', 'offline'], 'draining', true],
  ])('after %j the worker is %s', async (reports, expected, shouldDrain) => {
    const { credential } = world.key();
    const id = await register(credential);
    let answer: unknown;
    for (const each of reports) answer = await beat(credential, id, { status: each });
    expect(answer).toEqual({ acknowledged: true, should_drain: shouldDrain });
    expect(await read(credential, id)).toMatchObject({ status: expected, current_jobs: 1 });
  });

  it('keeps the metadata that an empty map does not name', async () => {
    const { credential } = world.key();
    const id = await register(credential);
    await beat(credential, id, { metadata: {} });
    expect(await read(credential, id)).toMatchObject({ metadata: { region: 'eu' } });
    await beat(credential, id, { metadata: { region: 'us' } });
    expect(await read(credential, id)).toMatchObject({ metadata: { region: 'us' } });
  });

  it('does not acknowledge a worker that is unknown, foreign, out of scope or gone', async () => {
    const { credential, organizationId } = world.key();
    const id = await register(credential);
    const gone = await register(credential);
    await client.call('Deregister', { worker_id: gone }, as(credential));
    const scoped = world.key({ organizationId, queues: ['reports'] });
    const unknown = { acknowledged: false, should_drain: false };
    expect(await beat(credential, randomUUID())).toEqual(unknown);
    expect(await beat(credential, '')).toEqual(unknown);
    expect(await beat(credential, 'no id \0')).toEqual(unknown);
    expect(await beat(world.key().credential, id)).toEqual(unknown);
    expect(await beat(scoped.credential, id)).toEqual(unknown);
    expect(await beat(credential, gone)).toEqual(unknown);
  });
});

describe('Deregister', () => {
  it('ends a worker and has its jobs given back, once', async () => {
    const { credential, organizationId } = world.key();
    const id = await register(credential);
    expect(await client.call('Deregister', { worker_id: id }, as(credential))).toEqual({
      success: true,
    });
    expect(await read(credential, id)).toMatchObject({ status: 'offline' });
    expect(world.releases).toContainEqual(
      expect.objectContaining({ organizationId, workerId: id, cause: 'requested' }),
    );
    expect((await world.events(organizationId)).map(({ type }) => type)).toEqual([
      'WorkerRegistered',
      'WorkerDeregistered',
    ]);
  });

  it('says so when the worker is unknown or foreign', async () => {
    const { credential } = world.key();
    const id = await register(credential);
    const foreign = as(world.key().credential);
    for (const [worker_id, metadata] of [
      [randomUUID(), as(credential)],
      ['', as(credential)],
      [id, foreign],
    ] as const) {
      expect(await client.call('Deregister', { worker_id }, metadata)).toEqual({ success: false });
    }
    expect(await read(credential, id)).toMatchObject({ status: 'healthy' });
  });
});

it('counts against the same limits as REST', async () => {
  const { credential } = world.key({
    plan: { ...plans.enterprise, rate_limit_requests_per_second: 1, rate_limit_burst: 2 },
  });
  const list = () => world.call(credential, 'GET', '/workers');
  // So seldom that limits of its own would always let it pass; again if the machine was so slow that it earned one.
  await eventually(
    async () => {
      await Promise.all(Array.from({ length: 10 }, list));
      const beat = client.call('Heartbeat', { worker_id: 'x' }, as(credential));
      await expect(beat).rejects.toMatchObject({
        code: status.RESOURCE_EXHAUSTED,
        details: expect.stringContaining('Rate limit exceeded'),
      });
    },
    { intervalMs: 2500 },
  );
});
