import { status, type ServiceError } from '@grpc/grpc-js';
import type { GrpcClient, GrpcMessage } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { queueClient } from './grpc-worker.js';
import { World, type Tenant } from './setup.js';

let world: World;
let client: GrpcClient;
let tenant: Tenant;
beforeAll(async () => {
  world = await World.setup();
  client = queueClient(world);
  tenant = world.key();
});
afterAll(() => world.stop());

const call = (method: string, request: GrpcMessage): Promise<GrpcMessage> =>
  client.call(method, request, { 'x-api-key': tenant.credential });

const statusOf = (method: string, request: GrpcMessage): Promise<string> =>
  call(method, request).then(
    () => 'OK',
    ({ code }: ServiceError) => status[code],
  );

const MAX_INT = 2 ** 31 - 1;
const MIN_INT = -(2 ** 31);
const job = { job_id: randomUUID(), worker_id: 'w-1' };

describe('a request that means harm', () => {
  it.each<[method: string, what: string, request: GrpcMessage, expected: string]>([
    ['Enqueue', 'NaN', { payload: { a: NaN } }, 'INVALID_ARGUMENT'],
    ['Enqueue', 'infinity, deep down', { payload: { a: [{ b: -Infinity }] } }, 'INVALID_ARGUMENT'],
    ['Enqueue', 'NUL in a name', { queue_name: 'h\0' }, 'INVALID_ARGUMENT'],
    ['Enqueue', 'NUL in a key', { idempotency_key: 'a\0' }, 'INVALID_ARGUMENT'],
    ['Enqueue', 'NUL in a tag', { tags: { a: '\0' } }, 'INVALID_ARGUMENT'],
    ['Enqueue', 'tags without end', { tags: { a: 'x'.repeat(65_536) } }, 'INVALID_ARGUMENT'],
    [
      'Enqueue',
      'the year 10000',
      { scheduled_at: new Date(253_402_300_800_000) },
      'INVALID_ARGUMENT',
    ],
    ['Enqueue', 'the year 0', { scheduled_at: new Date(-62_135_596_801_000) }, 'INVALID_ARGUMENT'],
    ['Enqueue', 'the smallest priority', { priority: MIN_INT }, 'INVALID_ARGUMENT'],
    ['Enqueue', 'retries without end', { max_retries: MAX_INT }, 'INVALID_ARGUMENT'],
    ['Enqueue', 'a timeout without end', { timeout_seconds: MAX_INT }, 'INVALID_ARGUMENT'],
    ['Dequeue', 'NUL in a name', { worker_id: 'w\0' }, 'INVALID_ARGUMENT'],
    ['Dequeue', 'the largest numbers', { batch_size: MAX_INT, lease_duration_secs: MAX_INT }, 'OK'],
    [
      'Dequeue',
      'the smallest numbers',
      { batch_size: MIN_INT, lease_duration_secs: MIN_INT },
      'OK',
    ],
    ['Complete', 'NUL in an id', { ...job, job_id: 'x\0' }, 'NOT_FOUND'],
    ['Complete', 'an id without end', { ...job, job_id: 'x'.repeat(1_000_000) }, 'NOT_FOUND'],
    ['Complete', 'NUL in a lease', { ...job, lease_id: '\0' }, 'INVALID_ARGUMENT'],
    ['Complete', 'NaN', { ...job, result: { a: NaN } }, 'INVALID_ARGUMENT'],
    ['Fail', 'an error without end', { ...job, error: 'é'.repeat(1_000_000) }, 'NOT_FOUND'],
    ['RenewLease', 'a negative extension', { ...job, extension_secs: MIN_INT }, 'OK'],
    ['RenewLease', 'no worker', { ...job, worker_id: '' }, 'INVALID_ARGUMENT'],
    ['GetJob', 'NUL in an id', { job_id: '\0' }, 'OK'],
    ['GetQueueStats', 'NUL in a name', { queue_name: 'h\0' }, 'INVALID_ARGUMENT'],
    [
      'GetQueueStats',
      'a name of 101 characters',
      { queue_name: 'q'.repeat(101) },
      'INVALID_ARGUMENT',
    ],
  ])('%s with %s', async (method, _, request, expected) => {
    const given = { queue_name: 'hostile', worker_id: 'w-1', ...request };
    expect(await statusOf(method, given)).toBe(expected);
  });

  it('cannot name what JavaScript would inherit', async () => {
    const payload = JSON.parse('{"__proto__":{"a":1},"constructor":{"b":2}}') as GrpcMessage;
    const { job_id } = await call('Enqueue', { queue_name: 'names', payload });
    const { payload: stored } = await tenant.job(job_id as string);
    expect(JSON.stringify(stored)).toBe(JSON.stringify(payload));
    const { job: read } = await call('GetJob', { job_id });
    expect((read as { payload: GrpcMessage }).payload['constructor']).toEqual({ b: 2 });
    expect(({} as { a?: number }).a).toBeUndefined();
  });

  it('keeps NUL in a payload, which is JSON', async () => {
    const payload = { 'a\0': ['b\0'] };
    const { job_id } = await call('Enqueue', { queue_name: 'nul', payload });
    expect((await tenant.job(job_id as string)).payload).toEqual(payload);
  });
});
