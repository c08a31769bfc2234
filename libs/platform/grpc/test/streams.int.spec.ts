import {
  status,
  type ClientDuplexStream,
  type ClientReadableStream,
  type StatusObject,
} from '@grpc/grpc-js';
import { AppError, jobsGrpc, plans } from '@spooled/contracts';
import { eventually, type GrpcClient, type GrpcMessage } from '@spooled/testing';
import { once } from 'node:events';
import { connect, constants } from 'node:http2';
import { encoderOf, type CallOf } from '../src/index.js';
import { job, World } from './setup.js';

type Streaming = CallOf<typeof jobsGrpc.streamJobs>;

let world: World;
let client: GrpcClient;
beforeAll(async () => {
  world = await World.setup({ ACCESS_CHECK_INTERVAL_MS: '300' });
  client = world.client();
});
afterAll(() => world.stop());

const request = { queue_name: 'q', worker_id: 'w' };
const as = (key = world.key()) => ({ 'x-api-key': key });

/** What a stream brought, and how it ended. */
async function outcome(
  stream: ClientReadableStream<GrpcMessage> | ClientDuplexStream<GrpcMessage, GrpcMessage>,
): Promise<{ messages: GrpcMessage[]; end: StatusObject }> {
  const messages: GrpcMessage[] = [];
  stream.on('data', (message: GrpcMessage) => messages.push(message));
  stream.on('error', () => undefined);
  const end = await new Promise<StatusObject>((resolve) => stream.once('status', resolve));
  return { messages, end };
}

const untilOver = ({ signal }: Pick<Streaming, 'signal'>): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

describe('a server stream', () => {
  it('sends its headers at once, its messages as they come, and OK at the end', async () => {
    const next = Promise.withResolvers<void>();
    world.methods.onStreamJobs = async ({ stream, request: { lease_duration_secs } }) => {
      stream.open();
      await next.promise;
      stream.write(job('1', { retry_count: lease_duration_secs }));
      stream.write(encoderOf(jobsGrpc.streamJobs)(job('2')));
      await stream.drained();
      expect(stream.pending).toBe(0);
    };
    const stream = client.stream('StreamJobs', request, as());
    const ended = outcome(stream);
    await once(stream, 'metadata');
    next.resolve();
    const { messages, end } = await ended;
    expect(messages).toMatchObject([{ id: '1', retry_count: 300 }, { id: '2' }]);
    expect(end.code).toBe(status.OK);
  });

  it.each([
    ['without a credential', request, {}, status.UNAUTHENTICATED, 'Missing'],
    ['without a worker', { queue_name: 'q' }, as, status.INVALID_ARGUMENT, 'Worker ID'],
    ['without a queue', { worker_id: 'w' }, as, status.INVALID_ARGUMENT, 'Queue name'],
  ])('is refused %s', async (_name, given, headers, code, message) => {
    const stream = client.stream(
      'StreamJobs',
      given,
      typeof headers === 'function' ? headers() : headers,
    );
    const { messages, end } = await outcome(stream);
    expect(messages).toEqual([]);
    expect(end).toMatchObject({ code, details: expect.stringContaining(message) });
  });

  it('ends with what its handler throws', async () => {
    world.methods.onStreamJobs = async ({ stream }) => {
      stream.write(job('1'));
      throw new AppError('ACCESS_DENIED', 'not this queue');
    };
    const { messages, end } = await outcome(client.stream('StreamJobs', request, as()));
    expect(messages).toHaveLength(1);
    expect(end).toMatchObject({ code: status.PERMISSION_DENIED, details: 'not this queue' });
  });

  it('counts what it does against the limits of its caller', async () => {
    world.methods.onStreamJobs = async (call) => {
      for (;;) call.admit();
    };
    const plan = { ...plans.free, rate_limit_requests_per_second: 1, rate_limit_burst: 5 };
    const { end } = await outcome(client.stream('StreamJobs', request, as(world.key({ plan }))));
    expect(end).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  });

  it.each([
    ['cancels', (stream: ClientReadableStream<GrpcMessage>) => stream.cancel()],
    ['goes away', (_stream: unknown, own: GrpcClient) => own.close()],
  ])('is over when its client %s', async (_name, leave) => {
    const over = Promise.withResolvers<void>();
    world.methods.onStreamJobs = async (call) => {
      call.stream.open();
      await untilOver(call);
      call.stream.write(job('too late'));
      await call.stream.drained();
      over.resolve();
    };
    const own = world.client();
    const stream = own.stream('StreamJobs', request, as());
    void outcome(stream);
    await once(stream, 'metadata');
    leave(stream, own);
    if (_name === 'goes away') stream.cancel();
    await over.promise;
    await eventually(async () =>
      expect(await world.metric('spooled_grpc_streams{method="StreamJobs"}')).toBe(0),
    );
  });

  it('is over at its deadline', async () => {
    world.methods.onStreamJobs = untilOver;
    const options = { deadline: Date.now() + 200 };
    const { end } = await outcome(client.stream('StreamJobs', request, as(), options));
    expect(end.code).toBe(status.DEADLINE_EXCEEDED);
  });

  it('knows what was not sent to a client that does not read', async () => {
    const calls: Streaming[] = [];
    world.methods.onStreamJobs = async (call) => {
      calls.push(call);
      call.stream.open();
      for (let id = 0; id < 400; id += 1) {
        call.stream.write(job(String(id), { payload: { text: 'x'.repeat(1000) } }));
      }
      await untilOver(call);
    };
    const session = connect(`http://127.0.0.1:${world.port}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/spooled.v1.QueueService/StreamJobs',
      'content-type': 'application/grpc',
      'x-api-key': world.key(),
    });
    stream.pause();
    stream.end(Buffer.from([0, 0, 0, 0, 6, 0x0a, 1, 0x71, 0x12, 1, 0x77]));
    await eventually(() => expect(calls).toHaveLength(1));
    const [call] = calls as [Streaming];
    // The window of a connection is 64 KiB unless its client says otherwise.
    await eventually(() => expect(call.stream.pending).toBeLessThan(350));
    expect(call.stream.pending).toBeGreaterThan(250);
    const closed = once(stream, 'close');
    stream.on('error', () => undefined);
    // Without an error it would wait for its reader, who is the one that does not read.
    stream.close(constants.NGHTTP2_CANCEL);
    await untilOver(call);
    expect(call.stream.pending).toBeGreaterThan(250);
    await closed;
    session.destroy();
  });
});

describe('a bidi stream', () => {
  const echo = async ({ requests, stream }: CallOf<typeof jobsGrpc.processJobs>): Promise<void> => {
    stream.open();
    for await (const { request: kind } of requests) {
      stream.write({ error: { code: 'NO_JOBS', message: String(kind) } });
    }
  };

  it('passes messages both ways in order, and ends after the half-close', async () => {
    world.methods.onProcessJobs = echo;
    const stream = client.duplex('ProcessJobs', as());
    const ended = outcome(stream);
    for (let count = 0; count < 100; count += 1) {
      stream.write(count % 2 === 0 ? { complete: { job_id: 'x' } } : {});
    }
    stream.end();
    const { messages, end } = await ended;
    expect(messages.map(({ error }) => (error as { message: string }).message)).toEqual(
      Array.from({ length: 100 }, (_, count) => (count % 2 === 0 ? 'complete' : 'undefined')),
    );
    expect(end.code).toBe(status.OK);
  });

  it('reads no further than its handler takes', async () => {
    let read = 0;
    const open = Promise.withResolvers<void>();
    world.methods.onProcessJobs = async ({ requests, stream }) => {
      stream.open();
      for await (const _request of requests) {
        read += 1;
        await open.promise;
      }
    };
    const stream = client.duplex('ProcessJobs', as());
    const ended = outcome(stream);
    const large = { complete: { job_id: 'x'.repeat(4000) } };
    let unsent = 0;
    for (let count = 0; count < 500; count += 1) {
      unsent += 1;
      stream.write(large, () => (unsent -= 1));
    }
    await eventually(() => expect(read).toBe(1));
    // What the windows and the read-ahead hold, and no more.
    await eventually(() => expect(unsent).toBeLessThan(500));
    expect(unsent).toBeGreaterThan(100);
    stream.end();
    open.resolve();
    expect((await ended).end.code).toBe(status.OK);
    expect(read).toBe(500);
  });

  it('is over when its client cancels', async () => {
    const over = Promise.withResolvers<void>();
    world.methods.onProcessJobs = (call) => echo(call).then(over.resolve);
    const stream = client.duplex('ProcessJobs', as());
    const ended = outcome(stream);
    await once(stream, 'metadata');
    stream.cancel();
    await over.promise;
    expect((await ended).end.code).toBe(status.CANCELLED);
  });
});

describe('a credential that changes while a stream is open', () => {
  const opened = async (key: string) => {
    const calls: Streaming[] = [];
    world.methods.onStreamJobs = async (call) => {
      calls.push(call);
      call.stream.open();
      await untilOver(call);
    };
    const stream = client.stream('StreamJobs', request, as(key));
    const ended = outcome(stream);
    await once(stream, 'metadata');
    return { stream, ended, call: calls[0]! };
  };

  it.each([
    ['is revoked', true],
    ['is revoked, and nobody tells', false],
  ])('ends it when it %s', async (_name, isTold) => {
    const key = world.key();
    const { ended } = await opened(key);
    world.change(key, null, isTold);
    expect((await ended).end).toMatchObject({ code: status.UNAUTHENTICATED });
  });

  it('ends it when it expires', async () => {
    const key = world.key();
    const { ended } = await opened(key);
    world.change(key, { keyExpiresAt: new Date(Date.now() + 500).toISOString() });
    expect((await ended).end).toMatchObject({ code: status.UNAUTHENTICATED });
  });

  it('shows when it is narrowed', async () => {
    const key = world.key();
    const { call } = await opened(key);
    let changes = 0;
    call.onAccess(() => (changes += 1));
    world.change(key, { queues: ['other'] });
    await eventually(() => expect(call.principal.queues).toEqual(['other']));
    await eventually(() => expect(changes).toBeGreaterThan(0));
  });

  it('leaves it alone while nobody can tell', async () => {
    const { stream, call, ended } = await opened(world.key());
    world.isAuthAway = true;
    const checks = () => world.metric('spooled_loop_steps_total{loop="access.watch",outcome="ok"}');
    const before = await checks();
    await eventually(async () => expect(await checks()).toBeGreaterThan(before + 2));
    world.isAuthAway = false;
    expect(call.signal.aborted).toBe(false);
    stream.cancel();
    await ended;
  });
});
