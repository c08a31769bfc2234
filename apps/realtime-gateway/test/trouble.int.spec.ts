import type { StoredEvent } from '@spooled/contracts';
import { eventually, type SseCollection, type WsClient } from '@spooled/testing';
import { request, type IncomingMessage } from 'node:http';
import { created } from './fixtures.js';
import { jobsOf, seqOf, stored, TestGateway, type Caller, type Wire } from './setup.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({
    REALTIME_MAX_WS_PER_ORGANIZATION: '2',
    REALTIME_MAX_SSE_PER_ORGANIZATION: '2',
    REALTIME_MAX_BUFFER_BYTES: '65536',
    REALTIME_SLOW_GRACE_MS: '300',
    REALTIME_CLOSE_GRACE_MS: '500',
    REALTIME_PING_INTERVAL_MS: '400',
    REALTIME_SSE_SILENCE_MS: '600',
    REALTIME_SSE_HEALTH_INTERVAL_MS: '300',
  });
});

afterAll(async () => {
  await gateway.stop();
});

const types = (client: WsClient) => (client.messages as Wire[]).map(({ type }) => type);
const connected = (stream: SseCollection) => eventually(() => stream.comments.length > 0);

/** Events of about 10 KB each. */
const bulky = (count: number): StoredEvent[] =>
  Array.from({ length: count }, (_, index) => ({
    type: 'JobFailed',
    data: {
      job_id: `bulky-${index}`,
      queue_name: 'emails',
      error: 'x'.repeat(10_000),
      retry_count: 1,
      will_retry: true,
      worker_id: 'w1',
      rev: 2,
      timestamp: new Date().toISOString(),
    },
  }));

const slowConsumers = () => gateway.metric('spooled_realtime_slow_consumers_total');

/**
 * Commits more than every buffer between us and a client can hold, until it is cut. `healthy` never has more outstanding
 * than it may, however long it takes to read that. @returns how many events
 */
async function flood(caller: Caller, healthy: WsClient): Promise<number> {
  const before = await slowConsumers();
  let events = 0;
  while ((await slowConsumers()) === before && events < 40_000) {
    await gateway.append(caller, ...bulky(5));
    events += 5;
    await eventually(() => expect(stored(healthy)).toHaveLength(events), { intervalMs: 1 });
  }
  return events;
}

describe('caps', () => {
  it('refuse a further WebSocket with 429 and Retry-After, until one goes', async () => {
    const caller = gateway.caller();
    const [first] = [await gateway.live(caller), await gateway.live(caller)];
    await expect(gateway.ws(caller)).rejects.toThrow(
      /HTTP 429: .*RATE_LIMIT_EXCEEDED.*retry_after_secs.*limit.*remaining.*reset_at/,
    );
    await gateway.live(gateway.caller());
    first.terminate();
    await eventually(() => gateway.live(caller));
  });

  it('refuse a further SSE stream of any kind, until one goes', async () => {
    const caller = gateway.caller();
    const first = await gateway.sse(caller, '/events');
    await gateway.sse(caller, '/events/queues/emails');
    for (const path of ['/events', '/events/queues/emails', '/events/jobs/j1']) {
      const refused = await gateway.sse(caller, path);
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    await gateway.live(caller);
    await first.close();
    await eventually(async () => expect((await gateway.sse(caller, '/events')).status).toBe(200));
  });

  it('are not used up by streams that were refused or ended', async () => {
    const caller = gateway.caller({ queues: ['emails'] });
    for (let index = 0; index < 5; index += 1) {
      await (
        await gateway.sse(caller, '/events/jobs/unknown')
      ).ended;
      expect((await gateway.sse(caller, '/events/queues/sms')).status).toBe(403);
      await expect(gateway.ws(caller, { queue: 'sms' })).rejects.toThrow(/403/);
    }
    await eventually(async () => expect((await gateway.sse(caller, '/events')).status).toBe(200));
  });
});

describe('keeping alive', () => {
  it('pings a WebSocket in both ways, with health, and keeps one that answers', async () => {
    const client = await gateway.live(gateway.caller());
    await eventually(() =>
      expect(types(client).filter((type) => type === 'Ping').length).toBeGreaterThanOrEqual(5),
    );
    const health = (client.messages as Wire[]).find(({ type }) => type === 'SystemHealth');
    expect(health).toEqual({
      type: 'SystemHealth',
      data: { database: true, redis: true, timestamp: expect.any(String) },
    });
  });

  it('leaves health out where `events` does not name it, but never the ping', async () => {
    const client = await gateway.live(gateway.caller(), { events: 'job.created' });
    await eventually(() => expect(types(client).length).toBeGreaterThanOrEqual(3));
    expect(new Set(types(client))).toEqual(new Set(['Ping']));
  });

  it('drops a peer that is silent', async () => {
    const before = gateway.context;
    await gateway.boot({ REALTIME_PING_INTERVAL_MS: '400', REALTIME_SILENT_PEER_MS: '1000' });
    const client = await gateway.live(gateway.caller());
    client.pause();
    await eventually(async () =>
      expect(await gateway.metric('spooled_realtime_closed_total')).toBeGreaterThan(0),
    );
    client.resume();
    expect((await client.closed).code).toBe(1006);
    await gateway.context.close();
    gateway.context = before;
  });

  it('writes a comment into a silent SSE stream, and health into that of the organization', async () => {
    const caller = gateway.caller();
    const silent = await gateway.sse(caller, '/events?events=job.created');
    const whole = await gateway.sse(caller, '/events');
    await eventually(() => expect(silent.comments).toContain('ping'));
    await eventually(() =>
      expect(whole.events.map(({ event }) => event)).toContain('system.health'),
    );
    expect(silent.events).toEqual([]);
  });
});

describe('a client that stops reading', () => {
  let impatient: TestGateway;
  let environment: NodeJS.ProcessEnv;
  beforeAll(async () => {
    impatient = gateway;
    environment = { ...process.env };
    // Being slow is the only reason to be cut: not silence, nor a closing handshake that takes its time.
    gateway = await TestGateway.start({
      REALTIME_MAX_BUFFER_BYTES: '65536',
      REALTIME_SLOW_GRACE_MS: '300',
      REALTIME_CLOSE_GRACE_MS: '10000',
    });
  });
  afterAll(async () => {
    await gateway.stop();
    gateway = impatient;
    Object.assign(process.env, environment);
  });

  it('loses its WebSocket with 1013, and nobody else is slowed', async () => {
    const caller = gateway.caller();
    const [stuck, healthy] = [await gateway.live(caller), await gateway.live(caller)];
    stuck.pause();
    const events = await flood(caller, healthy);
    stuck.resume();
    expect((await stuck.closed).code).toBe(1013);
    expect(stored(stuck).length).toBeLessThan(events);
    const cursor = stored(stuck).at(-1)!.id!;
    const again = await gateway.live(caller, { last_event_id: cursor });
    await eventually(() => expect(seqOf(stored(again).at(-1)!)).toBe(events));
    expect(seqOf(stored(again)[0]!)).toBe(seqOf({ id: cursor }) + 1);
  });

  it('loses its SSE stream and its socket', async () => {
    const caller = gateway.caller();
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const url = `http://127.0.0.1:${gateway.port}/api/v1/events?events=job.failed`;
      const headers = { authorization: `Bearer ${caller.credential}` };
      request(url, { headers, agent: false }, resolve).on('error', reject).end();
    });
    response.on('error', () => undefined);
    const open = await gateway.metric('spooled_realtime_connections{transport="sse"}');
    await flood(caller, await gateway.live(caller));
    await eventually(async () =>
      expect(await gateway.metric('spooled_realtime_connections{transport="sse"}')).toBeLessThan(
        open,
      ),
    );
    response.destroy();
  });
});

describe('the bus', () => {
  it('may be away: streams stay open and catch up afterwards, also when its data is gone', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller);
    const stream = await gateway.sse(caller, '/events?events=job.created');
    await connected(stream);
    await gateway.append(caller, created('before'));
    await eventually(() => expect(jobsOf(client)).toEqual(['before']));
    await gateway.nats.stop();
    await gateway.append(caller, created('during-1'), created('during-2'));
    await eventually(() =>
      expect(
        (client.messages as Wire[]).some(
          ({ type, data }) => type === 'SystemHealth' && data['redis'] === false,
        ),
      ).toBe(true),
    );
    await gateway.nats.wipe();
    await gateway.nats.start();
    const all = ['before', 'during-1', 'during-2'];
    await eventually(() => expect(jobsOf(client)).toEqual(all));
    await eventually(() => expect(stream.events).toHaveLength(3));
    await gateway.append(caller, created('after'));
    await eventually(() => expect(jobsOf(client)).toEqual([...all, 'after']));
  });
});

describe('several instances', () => {
  it('deliver the same events, also to a client that moves from one to the other', async () => {
    const caller = gateway.caller();
    const first = await gateway.live(caller);
    const { context } = gateway;
    await gateway.boot();
    const second = await gateway.live(caller);
    await gateway.append(caller, created('j1'), created('j2'));
    await eventually(() => expect(jobsOf(first)).toEqual(['j1', 'j2']));
    await eventually(() => expect(jobsOf(second)).toEqual(['j1', 'j2']));
    const moved = await gateway.live(caller, { last_event_id: stored(first)[0]!.id! });
    await eventually(() => expect(jobsOf(moved)).toEqual(['j2']));
    await gateway.context.close();
    gateway.context = context;
  });
});

describe('a stop', () => {
  it('closes WebSockets with 1001, ends SSE streams, and takes no new ones', async () => {
    const before = gateway.context;
    await gateway.boot({ REALTIME_DRAIN_MS: '1000' });
    const caller = gateway.caller();
    const [client, stuck] = [await gateway.live(caller), await gateway.live(caller)];
    const stream = await gateway.sse(caller, '/events');
    await connected(stream);
    stuck.pause();
    const closing = gateway.context.close();
    expect((await client.closed).code).toBe(1001);
    await stream.ended;
    // Whoever does not read is not waited for.
    await closing;
    gateway.context = before;
  });
});
