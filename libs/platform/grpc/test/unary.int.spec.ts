import { status, type ServiceError } from '@grpc/grpc-js';
import { AppError, errorCatalogue, plans, type ErrorCode } from '@spooled/contracts';
import { eventually, type GrpcClient } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { connect, type ClientHttp2Session } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { job, World } from './setup.js';

let world: World;
let client: GrpcClient;
beforeAll(async () => {
  world = await World.setup();
  client = world.client();
});
afterAll(() => world.stop());
afterEach(() => {
  world.methods.onGetJob = async () => ({});
  world.methods.onEnqueue = () => undefined;
});

const refusal = (work: Promise<unknown>): Promise<ServiceError> =>
  work.then(
    (answer) => Promise.reject(new Error(`answered ${JSON.stringify(answer)}`)),
    (error: ServiceError) => error,
  );

describe('the credential', () => {
  it.each([
    ['x-api-key', (key: string) => ({ 'x-api-key': key })],
    ['authorization: Bearer', (key: string) => ({ authorization: `Bearer ${key}` })],
    ['authorization: bearer', (key: string) => ({ authorization: `bearer ${key}` })],
    ['authorization, bare', (key: string) => ({ authorization: key })],
    ['x-api-key first', (key: string) => ({ 'x-api-key': key, authorization: 'Bearer wrong' })],
  ])('is taken from %s', async (_name, headers) => {
    expect(await client.call('GetJob', { job_id: 'x' }, headers(world.key()))).toEqual({
      job: null,
    });
  });

  it.each([
    ['none', {}, 'Missing x-api-key or authorization header'],
    ['an empty key', { 'x-api-key': '' }, 'Missing x-api-key or authorization header'],
    ['an empty bearer', { authorization: 'Bearer ' }, 'Missing'],
    ['an unknown key', { 'x-api-key': 'sp_live_unknown' }, 'Invalid'],
    ['an unknown token', { authorization: 'Bearer eyJhbGciOi.x.y' }, 'Invalid'],
    ['a browser ticket', { 'x-api-key': `tkt_${'a'.repeat(43)}` }, 'Invalid'],
    ['one that is longer than any', { 'x-api-key': 'k'.repeat(8000) }, 'Invalid'],
  ])('is refused: %s', async (_name, headers, message) => {
    const error = await refusal(client.call('GetJob', { job_id: 'x' }, headers));
    expect(error).toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining(message),
    });
  });

  it('that cannot be judged now is no refusal of it', async () => {
    world.isAuthAway = true;
    const error = await refusal(client.call('GetJob', {}, { 'x-api-key': world.key() }));
    world.isAuthAway = false;
    expect(error).toMatchObject({ code: status.UNAVAILABLE });
    expect(error.metadata.get('retry-after')).toEqual(['1']);
  });
});

describe('limits', () => {
  it.each([
    [
      'the organization',
      { plan: { ...plans.free, rate_limit_requests_per_second: 0.01, rate_limit_burst: 3 } },
    ],
    ['the key', { keyRateLimit: 3 }],
  ])('of %s hold, and say when to come back', async (_name, over) => {
    // The minute of a key may end in between: then once more.
    const error = await eventually(async () => {
      const headers = { 'x-api-key': world.key(over) };
      for (let count = 0; count < 3; count += 1) await client.call('GetJob', {}, headers);
      return refusal(client.call('GetJob', {}, headers));
    });
    expect(error).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringContaining('Rate limit exceeded'),
    });
    expect(Number(error.metadata.get('retry-after')[0])).toBeGreaterThanOrEqual(1);
  });
});

describe('an error', () => {
  it.each(Object.keys(errorCatalogue) as ErrorCode[])('%s has its status', async (code) => {
    world.methods.onGetJob = () => Promise.reject(new AppError(code, 'half a pair: \ud800'));
    const error = await refusal(client.call('GetJob', {}, { 'x-api-key': world.key() }));
    expect(status[error.code]).toBe(errorCatalogue[code].grpc);
    expect(error.details).toBe('half a pair: \ufffd');
  });

  it('that is none of ours says nothing of itself', async () => {
    world.methods.onGetJob = () => Promise.reject(new Error('secret'));
    const error = await refusal(client.call('GetJob', {}, { 'x-api-key': world.key() }));
    expect(error).toMatchObject({ code: status.INTERNAL });
    expect(error.message).not.toContain('secret');
  });

  it('of an answer that cannot be encoded ends the call, and no other', async () => {
    const headers = { 'x-api-key': world.key() };
    world.methods.onGetJob = async () => ({ job: job('x', { payload: { n: 1n } }) });
    await client.call('GetJob', {}, headers);
    world.methods.onGetJob = async () => ({ job: job('x', { tags: 1, status: 'NONSENSE' }) });
    await client.call('GetJob', {}, headers).catch(() => undefined);
    world.methods.onGetJob = async () => ({});
    expect(await client.call('GetJob', {}, headers)).toEqual({ job: null });
  });
});

describe('values', () => {
  const payload = {
    text: 'ü€😀',
    empty: '',
    integer: 5,
    fraction: 0.1,
    negative: -7,
    large: 2 ** 53,
    yes: true,
    no: false,
    nothing: null,
    list: [1, 'two', [3], { four: 4 }, null, []],
    object: { deep: { deeper: {} } },
    ['__proto__']: { polluted: true },
  };

  it('of a Struct arrive as JSON', async () => {
    let seen: unknown;
    world.methods.onEnqueue = (given) => (seen = given);
    await client.call('Enqueue', { queue_name: 'q', payload }, { 'x-api-key': world.key() });
    expect(JSON.stringify(seen)).toBe(JSON.stringify(payload));
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('of JSON leave as a Struct, and times as a Timestamp', async () => {
    const createdAt = new Date('2026-11-24T10:20:30.456Z');
    world.methods.onGetJob = async () => ({
      job: job('x', { payload, created_at: createdAt, last_error: null }),
    });
    const { job: seen } = (await client.call('GetJob', {}, { 'x-api-key': world.key() })) as {
      job: Record<string, unknown>;
    };
    expect(JSON.stringify(seen['payload'])).toBe(JSON.stringify(payload));
    expect(seen).toMatchObject({
      status: 'JOB_STATUS_PROCESSING',
      created_at: createdAt,
      scheduled_at: null,
      last_error: '',
    });
  });

  it('of 64 levels pass both ways, of 65 are refused', async () => {
    const nested = (levels: number): Record<string, unknown> =>
      levels === 1 ? {} : { in: nested(levels - 1) };
    const headers = { 'x-api-key': world.key() };
    const enqueue = (levels: number) =>
      client.call('Enqueue', { queue_name: 'q', payload: nested(levels) }, headers);
    world.methods.onEnqueue = (given) => expect(given).toEqual(nested(64));
    await enqueue(64);
    for (const levels of [65, 70]) {
      expect(await refusal(enqueue(levels))).toMatchObject({ code: status.INVALID_ARGUMENT });
    }
  });
});

describe('a client that gives up', () => {
  it.each([
    ['by its deadline', { deadline: 3000 }, status.DEADLINE_EXCEEDED],
    ['by cancelling', {}, status.CANCELLED],
  ])('%s stops the work', async (_name, { deadline }: { deadline?: number }, code) => {
    const aborted = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    world.methods.onGetJob = ({ signal }) => {
      signal.addEventListener('abort', () => aborted.resolve());
      begun.resolve();
      return aborted.promise.then(() => ({}));
    };
    const own = world.client();
    const options = deadline === undefined ? {} : { deadline: Date.now() + deadline };
    const outcome = refusal(own.call('GetJob', {}, { 'x-api-key': world.key() }, options));
    await begun.promise;
    if (deadline === undefined) own.close();
    expect([code, status.UNAVAILABLE]).toContain((await outcome).code);
    await aborted.promise;
  });
});

describe('metrics', () => {
  it('count calls by method and status', async () => {
    const line = (name: string) =>
      world.metric(`spooled_grpc_requests_total{method="Deregister",status="${name}"}`);
    const workers = world.client('spooled.v1.WorkerService');
    await workers.call('Deregister', {}, { 'x-api-key': world.key() });
    await refusal(workers.call('Deregister', {}));
    await eventually(async () =>
      expect([await line('OK'), await line('UNAUTHENTICATED')]).toEqual([1, 1]),
    );
    expect(
      await world.metric('spooled_grpc_request_duration_seconds_count{method="Deregister"}'),
    ).toBe(2);
  });
});

describe('what is no good gRPC', () => {
  interface Reply {
    readonly headers: Record<string, unknown>;
    readonly trailers: Record<string, unknown>;
  }
  let session: ClientHttp2Session;
  beforeEach(() => {
    session = connect(`http://127.0.0.1:${world.port}`);
    session.on('error', () => undefined);
  });
  afterEach(() => session.destroy());

  const send = (bytes: Buffer, over: Record<string, string> = {}): Promise<Reply> =>
    new Promise((resolve, reject) => {
      let headers = {};
      let trailers = {};
      const stream = session.request({
        ':method': 'POST',
        ':path': '/spooled.v1.QueueService/GetJob',
        'content-type': 'application/grpc',
        te: 'trailers',
        'x-api-key': world.key(),
        ...over,
      });
      stream.on('response', (given) => (headers = given));
      stream.on('trailers', (given) => (trailers = given));
      stream.on('close', () => resolve({ headers, trailers }));
      stream.on('error', reject);
      stream.resume();
      stream.end(bytes);
    });
  const framed = (message: Buffer): Buffer => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    return Buffer.concat([head, message]);
  };
  const varint = (value: number): Buffer => {
    const bytes: number[] = [];
    for (let left = value; ; left = Math.floor(left / 128)) {
      if (left < 128) return Buffer.from([...bytes, left]);
      bytes.push((left % 128) + 128);
    }
  };
  const code = ({ headers, trailers }: Reply): number =>
    Number(trailers['grpc-status'] ?? headers['grpc-status']);

  it.each([
    ['random bytes', framed(Buffer.from(randomUUID())), status.INVALID_ARGUMENT],
    ['half a field', framed(Buffer.from([0x0a, 0xff])), status.INVALID_ARGUMENT],
    ['an unknown field, which is skipped', framed(Buffer.from([0x78, 0x01])), status.OK],
    ['a field of another type, which is skipped too', framed(Buffer.from([0x08, 0x01])), status.OK],
    ['no message', Buffer.alloc(0), status.UNIMPLEMENTED],
    ['two messages', framed(Buffer.alloc(0)), status.OK],
  ])('%s', async (_name, bytes, expected) => {
    expect(code(await send(bytes))).toBe(expected);
  });

  const zipped = (message: Buffer): Buffer => {
    const bytes = framed(gzipSync(message));
    bytes[0] = 1;
    return bytes;
  };

  it.each<[string, Buffer, Record<string, string>, number]>([
    ['that is a message', zipped(Buffer.alloc(0)), { 'grpc-encoding': 'gzip' }, status.OK],
    [
      'that unpacks to more than 8 MiB',
      zipped(Buffer.alloc(9 * 1024 * 1024)),
      { 'grpc-encoding': 'gzip' },
      status.RESOURCE_EXHAUSTED,
    ],
    [
      'that is none',
      Buffer.concat([Buffer.from([1, 0, 0, 0, 4]), Buffer.from('nope')]),
      { 'grpc-encoding': 'gzip' },
      status.INTERNAL,
    ],
    ['without the name of its encoding', zipped(Buffer.alloc(0)), {}, status.INVALID_ARGUMENT],
    [
      'in an encoding nobody knows',
      zipped(Buffer.alloc(0)),
      { 'grpc-encoding': 'snappy' },
      status.UNIMPLEMENTED,
    ],
  ])('gzip %s', async (_name, bytes, headers, expected) => {
    expect(code(await send(bytes, headers))).toBe(expected);
    expect(await client.call('GetJob', {}, { 'x-api-key': world.key() })).toEqual({ job: null });
  });

  it('a Struct of two thousand levels', async () => {
    // A value in a struct in a value: field 5 of Value is a Struct, its field 1 an entry with the value as field 2.
    let value = Buffer.alloc(0);
    for (let level = 0; level < 2000; level += 1) {
      value = Buffer.concat([Buffer.from([0x2a]), varint(value.length), value]);
      value = Buffer.concat([Buffer.from([0x12]), varint(value.length), value]);
      value = Buffer.concat([Buffer.from([0x0a]), varint(value.length), value]);
    }
    const enqueue = Buffer.concat([Buffer.from([0x12]), varint(value.length), value]);
    const path = '/spooled.v1.QueueService/Enqueue';
    expect(code(await send(framed(enqueue), { ':path': path }))).toBe(status.INVALID_ARGUMENT);
  });

  it('a message of exactly 8 MiB, which is taken, and one of more', async () => {
    // A field of so many bytes, after its tag and its length of four.
    const bytes = 8 * 1024 * 1024 - 5;
    const whole = Buffer.concat([Buffer.from([0x0a]), varint(bytes), Buffer.alloc(bytes, 'x')]);
    expect(whole).toHaveLength(8 * 1024 * 1024);
    expect(code(await send(framed(whole)))).toBe(status.OK);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(8 * 1024 * 1024 + 1, 1);
    expect(code(await send(head))).toBe(status.RESOURCE_EXHAUSTED);
  });

  it('an unknown method, and an unknown service', async () => {
    const nothing = framed(Buffer.alloc(0));
    for (const path of ['/spooled.v1.QueueService/Nothing', '/spooled.v1.Nothing/GetJob', '/']) {
      expect(code(await send(nothing, { ':path': path }))).toBe(status.UNIMPLEMENTED);
    }
  });

  it('another content type', async () => {
    const { headers } = await send(framed(Buffer.alloc(0)), { 'content-type': 'application/json' });
    expect(headers[':status']).toBe(415);
  });

  it('streams that are reset as soon as they are opened harm nobody else', async () => {
    const headers = { 'x-api-key': world.key() };
    for (let count = 0; count < 3000 && !session.destroyed; count += 1) {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/spooled.v1.QueueService/GetJob',
        'content-type': 'application/grpc',
      });
      stream.on('error', () => undefined);
      stream.close(8);
    }
    await expectServed(headers);
  });

  it('pings without end harm nobody else', async () => {
    for (let count = 0; count < 5000 && !session.destroyed; count += 1) {
      session.ping(() => undefined);
    }
    await expectServed({ 'x-api-key': world.key() });
  });

  /** Others may be told "not now" while the server is flooded, and are served. */
  const expectServed = (headers: Readonly<Record<string, string>>) =>
    eventually(async () => expect(await client.call('GetJob', {}, headers)).toEqual({ job: null }));
});
