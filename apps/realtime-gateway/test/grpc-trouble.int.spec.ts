import type { StoredEvent } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { created } from './fixtures.js';
import {
  grpcPort,
  liveGrpc,
  refusedGrpc,
  watchGrpc,
  type GrpcSubscription,
  type GrpcWatcher,
} from './grpc-client.js';
import { seqOf, TestGateway, type Caller } from './setup.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({
    REALTIME_MAX_GRPC_PER_ORGANIZATION: '2',
    REALTIME_MAX_BUFFER_BYTES: '65536',
    REALTIME_SLOW_GRACE_MS: '300',
    REALTIME_PING_INTERVAL_MS: '600',
  });
});

afterAll(async () => {
  await gateway.stop();
});

const subscribe = (caller: Caller, request?: GrpcSubscription) =>
  liveGrpc(gateway, caller, request);
const refused = (caller: Caller, request?: GrpcSubscription) =>
  refusedGrpc(gateway, { 'x-api-key': caller.credential }, request);
const jobs = ({ stored }: GrpcWatcher): unknown[] => stored.map(({ data }) => data['job_id']);
const pings = ({ types }: GrpcWatcher): number => types.filter((type) => type === 'Ping').length;

describe('the cap', () => {
  it('refuses a further subscription with RESOURCE_EXHAUSTED and a wait, until one goes', async () => {
    const caller = gateway.caller();
    const [first] = [await subscribe(caller), await subscribe(caller)];
    const end = await refused(caller);
    expect(end).toMatchObject({ code: 'RESOURCE_EXHAUSTED', messages: 0 });
    expect(Number(end.trailers.get('retry-after')[0])).toBeGreaterThan(0);
    // It is the organization's, and only the organization's.
    await subscribe(gateway.caller());
    const { organizationId } = caller.principal;
    expect(await refused(gateway.caller({ organizationId }))).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
    });
    first.cancel();
    await eventually(() => subscribe(caller));
  });

  it('is not used up by subscriptions that were refused or ended', async () => {
    const caller = gateway.caller({ queues: ['emails'] });
    const open = (): Promise<number> =>
      gateway.metric('spooled_realtime_connections{transport="grpc"}');
    const before = await open();
    for (let index = 0; index < 5; index += 1) {
      expect((await refused(caller, { queue_names: ['sms'] })).code).toBe('PERMISSION_DENIED');
      expect((await refused(caller, { event_types: ['x'] })).code).toBe('INVALID_ARGUMENT');
      const watcher = await eventually(() => subscribe(caller));
      watcher.cancel();
      await watcher.ended;
    }
    await eventually(async () => expect(await open()).toBe(before));
    await Promise.all([subscribe(caller), subscribe(caller)]);
  });
});

describe('keeping alive', () => {
  it('says Ping after silence, again and again, and health to those who want it', async () => {
    const caller = gateway.caller();
    const [quiet, whole] = [
      await subscribe(caller, { event_types: ['job.created'] }),
      await subscribe(caller),
    ];
    await eventually(() => expect(pings(quiet)).toBeGreaterThan(3));
    expect(new Set(quiet.types)).toEqual(new Set(['Ping']));
    const at = quiet.messages.map(({ timestamp }) => timestamp.getTime());
    for (const [index, time] of at.slice(1).entries()) {
      expect(time - at[index]!).toBeGreaterThan(400);
    }
    const health = await whole.waitFor(({ type }) => type === 'SystemHealth');
    expect(health).toMatchObject({ id: '', data: { database: true, redis: true } });
    // Health is news, but no proof of silence.
    await eventually(() => expect(pings(whole)).toBeGreaterThan(2));
  });

  it('says no Ping while there are events', async () => {
    const caller = gateway.caller();
    // A machine that stalls makes a silence: then once more.
    const watcher = await eventually(async () => {
      const watching = await subscribe(caller, { event_types: ['job.created'] });
      const until = Date.now() + 2000;
      await eventually(
        async () => {
          await gateway.append(caller, created('j'));
          return Date.now() > until;
        },
        { intervalMs: 50 },
      );
      const told = pings(watching);
      if (told > 1) watching.cancel();
      expect(told).toBe(1);
      return watching;
    });
    await eventually(() => expect(pings(watcher)).toBeGreaterThan(1));
  });
});

describe('a client that stops reading', () => {
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

  it('is ended with RESOURCE_EXHAUSTED, resumes without loss, and nobody else is slowed', async () => {
    const caller = gateway.caller();
    const [stuck, healthy] = [await subscribe(caller), await subscribe(caller)];
    stuck.pause();
    const slow = 'spooled_realtime_slow_consumers_total';
    const before = await gateway.metric(slow);
    let events = 0;
    // The healthy one never has more outstanding than it may, however long it takes to read that.
    while ((await gateway.metric(slow)) === before && events < 4000) {
      await gateway.append(caller, ...bulky(5));
      events += 5;
      await eventually(() => expect(healthy.stored).toHaveLength(events));
    }
    stuck.resume();
    const end = await stuck.ended;
    expect(end).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    expect(Number(end.trailers.get('retry-after')[0])).toBeGreaterThan(0);
    const kept = stuck.stored;
    expect(kept.length).toBeLessThan(events);
    const again = await subscribe(caller, { last_event_id: kept.at(-1)!.id! });
    await eventually(() => expect(kept.length + again.stored.length).toBe(events));
    expect([...kept, ...again.stored].map(seqOf)).toEqual(
      Array.from({ length: events }, (_, index) => index + 1),
    );
  });
});

describe('the bus', () => {
  it('may be away for seconds: no event is lost, none comes twice, and cursors stay good', async () => {
    const caller = gateway.caller();
    const watcher = await subscribe(caller);
    await gateway.append(caller, created('before'));
    await eventually(() => expect(jobs(watcher)).toEqual(['before']));
    await gateway.nats.stop();
    const expected = ['before'];
    const back = Date.now() + 5_000;
    await eventually(
      async () => {
        const job = `during-${expected.length}`;
        await gateway.append(caller, created(job));
        expected.push(job);
        return Date.now() > back;
      },
      { intervalMs: 200 },
    );
    expect(watcher.types).toContain('Ping');
    // The organization is followed already, so who comes now is not turned away.
    await gateway.nats.start();
    await eventually(() => expect(jobs(watcher)).toEqual(expected));
    await gateway.append(caller, created('after'));
    await eventually(() => expect(jobs(watcher)).toEqual([...expected, 'after']));
    const resumed = await subscribe(caller, { last_event_id: watcher.stored[0]!.id! });
    await eventually(() => expect(jobs(resumed)).toEqual([...expected.slice(1), 'after']));
  });
});

describe('a stop', () => {
  it('ends subscriptions with UNAVAILABLE, also of a client that does not read, and resumes elsewhere', async () => {
    const before = gateway.context;
    await gateway.boot({ REALTIME_DRAIN_MS: '1000' });
    const caller = gateway.caller();
    const [watcher, stuck] = [await subscribe(caller), await subscribe(caller)];
    await gateway.append(caller, created('j1'));
    await eventually(() => expect(jobs(watcher)).toEqual(['j1']));
    stuck.pause();
    const port = grpcPort(gateway);
    const closing = gateway.context.close();
    expect(await watcher.ended).toMatchObject({ code: 'UNAVAILABLE' });
    // Whoever does not read is not waited for.
    await closing;
    expect(await watchGrpc(port, caller.credential).ended).toMatchObject({ code: 'UNAVAILABLE' });
    gateway.context = before;
    await gateway.append(caller, created('j2'));
    const moved = await subscribe(caller, { last_event_id: watcher.stored[0]!.id! });
    await eventually(() => expect(jobs(moved)).toEqual(['j2']));
  });
});
