import { eventually } from '@spooled/testing';
import { created } from './fixtures.js';
import { grpcPort, watchGrpc } from './grpc-client.js';
import { TestGateway, type Wire } from './setup.js';
import { transports, type WatchTransport } from './watch.js';

const MAX_AGE_MS = 1000;
/** What the wheel rounds, and what a busy machine adds. */
const SLACK_MS = 700;

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({ REALTIME_MAX_STREAM_AGE_MS: String(MAX_AGE_MS) });
});

afterAll(async () => {
  await gateway.stop();
});

describe.each(Object.entries(transports))('a client over %s', (_name, via: WatchTransport) => {
  it('whose streams end of age, and that resumes each time, has exactly what is committed meanwhile', async () => {
    const caller = gateway.caller();
    const watcher = await via.watch(via.port(gateway), caller, {});
    const jobs: string[] = [];
    let isOver = false;
    const writing = (async () => {
      while (!isOver) {
        const job = `job-${jobs.length}`;
        await gateway.append(caller, created(job));
        jobs.push(job);
      }
    })();
    await eventually(() => watcher.events.length > 0);
    const kept: Wire[] = [...watcher.events];
    for (let ends = 0; ends < 4; ends += 1) {
      const after = kept.at(-1)!.id!;
      const watch = await via.watch(via.port(gateway), caller, { after });
      await watch.ended;
      kept.push(...watch.events);
    }
    isOver = true;
    await writing;
    while (kept.length < jobs.length) {
      const watch = await via.watch(via.port(gateway), caller, { after: kept.at(-1)!.id! });
      let hasEnded = false;
      void watch.ended.then(() => (hasEnded = true));
      await eventually(() => hasEnded || kept.length + watch.events.length >= jobs.length);
      kept.push(...watch.events);
      watch.cut();
    }
    expect(kept.map(({ data }) => data['job_id'])).toEqual(jobs);
  });
});

describe('what a client is told at the end', () => {
  it('is 1001 over WebSocket, the end of the response over SSE, and UNAVAILABLE over gRPC', async () => {
    const caller = gateway.caller();
    const began = Date.now();
    const client = await gateway.live(caller);
    expect(await client.closed).toEqual({ code: 1001, reason: 'open for long; reconnect' });
    expect(Date.now() - began).toBeGreaterThan(MAX_AGE_MS * 0.8 - SLACK_MS);
    const stream = await gateway.sse(caller, '/events');
    await stream.ended;
    const end = await watchGrpc(grpcPort(gateway), caller.credential).ended;
    expect(end).toMatchObject({ code: 'UNAVAILABLE', details: expect.stringContaining('resume') });
    const aged = 'spooled_realtime_closed_total{transport="sse",code="aged"}';
    await eventually(async () => expect(await gateway.metric(aged)).toBeGreaterThan(0));
  });
});

describe('many streams', () => {
  it('that were opened together do not end together', async () => {
    // A machine that stalls may see them all end at once: then once more.
    await eventually(async () => {
      const caller = gateway.caller();
      const clients = await Promise.all(Array.from({ length: 60 }, () => gateway.live(caller)));
      const ends = await Promise.all(clients.map(({ closed }) => closed.then(() => Date.now())));
      expect(Math.max(...ends) - Math.min(...ends)).toBeGreaterThan(MAX_AGE_MS * 0.2);
    });
  });
});
