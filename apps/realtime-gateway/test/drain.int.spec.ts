import { Readiness } from '@spooled/runtime';
import { eventually } from '@spooled/testing';
import { created } from './fixtures.js';
import { refusedGrpc } from './grpc-client.js';
import { jobsOf, TestGateway, type Caller } from './setup.js';
import { transports, type Watch } from './watch.js';

const STREAMS = 450;
const DRAIN_MS = 5000;
/** Of so many streams; five milliseconds for each. */
const SPREAD_MS = STREAMS * 5;
/** Much longer than a stop with few streams takes. */
const LONG_DRAIN_MS = 30_000;

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});

afterAll(async () => {
  await gateway.stop();
});

/** An instance of its own, so that the test's others go on. */
async function instance(drainMs: number): Promise<TestGateway['context']> {
  await gateway.boot({
    REALTIME_DRAIN_MS: String(drainMs),
    REALTIME_MAX_WS_PER_ORGANIZATION: String(STREAMS),
  });
  return gateway.context;
}

/** Streams of all transports, most of them WebSockets. */
function open(caller: Caller, count: number): Promise<Watch[]> {
  const { WebSocket, SSE, gRPC } = transports;
  const kinds = Array.from({ length: count }, (_, index) => {
    if (index % 10 === 0) return SSE;
    return index % 10 === 5 ? gRPC : WebSocket;
  });
  return Promise.all(kinds.map((via) => via.watch(via.port(gateway), caller, {})));
}

describe('a stop with many streams', () => {
  it('ends them evenly over its time, takes no new ones meanwhile, and loses nothing', async () => {
    const before = gateway.context;
    const context = await instance(DRAIN_MS);
    const caller = gateway.caller();
    const watches = await open(caller, STREAMS);
    await gateway.append(caller, created('before'));
    await eventually(() => watches.every(({ events }) => events.length === 1), {
      intervalMs: 50,
    });
    const began = performance.now();
    const closing = context.close();
    const ends = Promise.all(watches.map(({ ended }) => ended.then(() => performance.now())));
    await eventually(async () => !(await context.get(Readiness).isReady()));
    await expect(gateway.ws(caller)).rejects.toThrow(/HTTP 503: .*SERVICE_UNAVAILABLE/);
    expect((await gateway.sse(caller, '/events')).status).toBe(503);
    expect(await refusedGrpc(gateway, { 'x-api-key': caller.credential })).toMatchObject({
      code: 'UNAVAILABLE',
    });
    const after = (await ends).map((at) => at - began).sort((one, other) => one - other);
    // After no part of the time are more gone than its share, and they do not go together at its end.
    for (const [index, at] of after.entries()) {
      expect(index / STREAMS).toBeLessThan(at / SPREAD_MS + 0.1);
    }
    expect(after.at(-1)! - after[0]!).toBeGreaterThan(SPREAD_MS / 4);
    await closing;
    gateway.context = before;
    await gateway.append(caller, created('after'));
    const [cursor] = watches.map(({ events }) => events.at(-1)!.id!);
    const moved = await gateway.live(caller, { last_event_id: cursor! });
    await eventually(() => expect(jobsOf(moved)).toEqual(['after']));
  });
});

describe('a stop with few streams', () => {
  it('is quick', async () => {
    const before = gateway.context;
    const context = await instance(LONG_DRAIN_MS);
    const watches = await open(gateway.caller(), 6);
    const began = performance.now();
    const closing = context.close();
    await Promise.all(watches.map(({ ended }) => ended));
    expect(performance.now() - began).toBeLessThan(LONG_DRAIN_MS / 2);
    await closing;
    gateway.context = before;
  });
});
