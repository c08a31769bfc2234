/** The published client following events of the real product, on lines that break. */
import {
  AuthenticationError,
  AuthorizationError,
  NotFoundError,
  SpooledClient,
  ValidationError,
  type ConnectionState,
  type EventFeed,
  type EventName,
  type EventOptions,
  type SpooledClientOptions,
  type SpooledEvent,
} from '@spooled/sdk';
import { eventually, onCleanUp } from '@spooled/testing';
import { WebSocket as WebSocketOfWs } from 'ws';

import { FrayedLine } from './harness/frayed-line.js';
import { World, type Organization } from './harness/world.js';

const transports = ['websocket', 'sse'] as const;
/** So that a test does not spend its time waiting. */
const reconnect = { baseDelayMs: 5, maxDelayMs: 50 };

let world: World;
let organization: Organization;
let client: SpooledClient;
let queueCount = 0;

beforeAll(async () => {
  world = await World.start('standalone');
  organization = await world.organization('sdk-events');
  client = connect();
});
afterAll(() => world?.stop());

const connect = (options: SpooledClientOptions = {}) =>
  new SpooledClient({ baseUrl: world.host.base(), apiKey: organization.key, ...options });
const newQueue = () => `sdk-events-${(queueCount += 1)}`;

/** A feed that is iterated in the background; what it gave is kept. */
class Watcher {
  readonly events: SpooledEvent[] = [];
  readonly states: ConnectionState[] = [];
  readonly done: Promise<unknown>;
  private readonly abort = new AbortController();
  readonly feed: EventFeed;

  constructor(from: SpooledClient, options: EventOptions) {
    this.feed = from.events({ reconnect, ...options, signal: this.abort.signal });
    this.feed.onStateChange((state) => this.states.push(state));
    this.done = this.watch().catch((error: unknown) => error);
    onCleanUp(() => this.stop());
  }

  /** Once it is live. */
  static async open(from: SpooledClient, options: EventOptions): Promise<Watcher> {
    const watcher = new Watcher(from, options);
    await watcher.isIn('live');
    return watcher;
  }

  types(): string[] {
    return this.events.map(({ type }) => type);
  }

  ids(): string[] {
    return this.events.flatMap(({ id }) => id ?? []);
  }

  first(type: EventName): Promise<SpooledEvent> {
    return eventually(() => {
      const event = this.events.find((each) => each.type === type);
      if (event === undefined) throw new Error(`no ${type}, only ${this.types().join()}`);
      return event;
    });
  }

  isIn(state: ConnectionState): Promise<unknown> {
    return eventually(() => expect(this.feed.state).toBe(state));
  }

  async stop(): Promise<unknown> {
    this.abort.abort();
    return this.done;
  }

  private async watch(): Promise<void> {
    for await (const event of this.feed) this.events.push(event);
  }
}

/** What happened after a cursor, as a client on a good line sees it. */
async function readLog(options: EventOptions, count: number): Promise<string[]> {
  const watcher = new Watcher(client, options);
  await eventually(() => expect(watcher.ids().length).toBeGreaterThanOrEqual(count));
  await watcher.stop();
  return watcher.ids();
}

async function work(queueName: string, count: number): Promise<void> {
  const jobs = Array.from({ length: count }, (_, index) => ({ payload: { index } }));
  await client.jobs.bulkEnqueue({ queueName, jobs });
  const claimed = await client.jobs.claim({ queueName, workerId: 'w', limit: count });
  for (const { id } of claimed.jobs) await client.jobs.complete(id, { workerId: 'w', result: {} });
}

describe.each(transports)('over %s', (transport) => {
  it('gives the events of a queue, typed by name', async () => {
    const queueName = newQueue();
    const watcher = await Watcher.open(client, { transport, queue: queueName });
    const { id } = await client.jobs.create({ queueName, payload: {} });
    await client.jobs.create({ queueName: newQueue(), payload: {} });
    await client.jobs.claim({ queueName, workerId: 'w' });
    await client.jobs.complete(id, { workerId: 'w', result: { some_key: 1 } });
    const completed = await watcher.first('job.completed');
    expect(completed).toMatchObject({
      id: expect.any(String),
      data: { jobId: id, queueName, result: { some_key: 1 }, durationMs: expect.any(Number) },
    });
    const ofJobs = watcher.events.filter(({ type }) => type.startsWith('job.'));
    expect(ofJobs.map(({ type }) => type)).toEqual([
      'job.created',
      'job.status',
      'job.status',
      'job.completed',
    ]);
    expect(await watcher.stop()).toBeUndefined();
    expect(watcher.states).toEqual(['live', 'stopped']);
  });

  it('gives only the events of a job, and progress when it is asked for', async () => {
    const queueName = newQueue();
    const { id } = await client.jobs.create({ queueName, payload: {} });
    const events = ['*', 'job.progress', 'job.log'] as const;
    const watcher = await Watcher.open(client, { transport, jobId: id, events });
    await client.jobs.create({ queueName, payload: {} });
    await client.jobs.claim({ queueName, workerId: 'w' });
    await client.jobs.progress(id, { workerId: 'w', percent: 40, message: 'on' });
    await client.jobs.appendLogs(id, { workerId: 'w', lines: ['hello'] });
    await eventually(() =>
      expect(watcher.events).toEqual(
        expect.arrayContaining([
          expect.objectContaining({
            type: 'job.progress',
            data: expect.objectContaining({ jobId: id, percent: 40, message: 'on' }),
          }),
          expect.objectContaining({
            type: 'job.log',
            data: expect.objectContaining({ jobId: id, lines: ['hello'] }),
          }),
        ]),
      ),
    );
    const jobIds = watcher.events.flatMap(({ data }) => ('jobId' in data ? data.jobId : []));
    expect(new Set(jobIds)).toEqual(new Set([id]));
  });

  it('gives, of the events about workers, only those about one', async () => {
    const queueName = newQueue();
    const register = () => client.workers.register({ queueName, hostname: 'h' });
    const { id: workerId } = await register();
    const watcher = await Watcher.open(client, { transport, queue: queueName, workerId });
    const { id: another } = await register();
    await client.workers.deregister(another);
    await client.workers.deregister(workerId);
    expect(await watcher.first('worker.deregistered')).toMatchObject({ data: { workerId } });
    const workerIds = watcher.events.flatMap(({ type, data }) =>
      type.startsWith('worker.') && 'workerId' in data ? data.workerId : [],
    );
    expect(workerIds).not.toContain(another);
  });

  it.each([1, 2, 3])('gives each event once on a line that breaks anywhere (%i)', async (seed) => {
    const queueName = newQueue();
    const line = await FrayedLine.to(world.host.base());
    const watcher = await Watcher.open(connect({ baseUrl: line.url }), {
      transport,
      queue: queueName,
    });
    const since = watcher.feed.cursor;
    line.breakAfter(600, 4000, seed);
    line.cut();
    await work(queueName, 40);
    await eventually(() => expect(watcher.ids().length).toBeGreaterThanOrEqual(160));
    line.mend();
    line.cut();
    await work(queueName, 1);
    await eventually(() => expect(watcher.ids().length).toBeGreaterThanOrEqual(164));
    expect(line.connectionCount).toBeGreaterThan(5);
    expect(watcher.types()).not.toContain('gap');
    expect(watcher.ids()).toEqual(await readLog({ transport, queue: queueName, since }, 164));
  });

  it('misses nothing when it is cut before its first event', async () => {
    const queueName = newQueue();
    const line = await FrayedLine.to(world.host.base());
    const watcher = await Watcher.open(connect({ baseUrl: line.url }), {
      transport,
      queue: queueName,
    });
    line.takeDown();
    await work(queueName, 1);
    line.mend();
    await eventually(() => expect(watcher.ids()).toHaveLength(4));
    expect(watcher.states).toContain('reconnecting');
  });

  it('goes on after the event whose id it is given', async () => {
    const queueName = newQueue();
    const first = await Watcher.open(client, { transport, queue: queueName });
    await work(queueName, 2);
    await eventually(() => expect(first.ids()).toHaveLength(8));
    await first.stop();
    const ids = first.ids();
    expect(first.feed.cursor).toBe(ids[7]);
    await work(queueName, 1);
    const since = ids[3];
    expect(await readLog({ transport, queue: queueName, since }, 8)).toEqual([
      ...ids.slice(4),
      ...(await readLog({ transport, queue: queueName, since: ids[7] }, 4)),
    ]);
  });

  it('says gap when the cursor is too old, goes on live, and does not say it again', async () => {
    const queueName = newQueue();
    const line = await FrayedLine.to(world.host.base());
    const watcher = new Watcher(connect({ baseUrl: line.url }), {
      transport,
      queue: queueName,
      since: 'from-another-epoch',
    });
    const gap = await watcher.first('gap');
    expect(gap).toMatchObject({
      id: undefined,
      data: { lostCursor: 'from-another-epoch', resumeFrom: expect.any(String) },
    });
    line.cut();
    await work(queueName, 1);
    await eventually(() => expect(watcher.ids()).toHaveLength(4));
    expect(watcher.types().filter((type) => type === 'gap')).toHaveLength(1);
  });

  it('stops for good when the key is revoked', async () => {
    const { id, key } = await client.apiKeys.create({ name: 'to be revoked' });
    const watcher = await Watcher.open(connect({ apiKey: key }), { transport });
    await client.apiKeys.revoke(id);
    expect(await watcher.done).toBeInstanceOf(AuthenticationError);
    expect(watcher.feed.state).toBe('auth_failed');
  });

  it('is refused what the key may not see, and what makes no sense', async () => {
    const { key } = await client.apiKeys.create({ name: 'scoped', queues: ['mine'] });
    const outside = new Watcher(connect({ apiKey: key }), { transport, queue: 'yours' });
    expect(await outside.done).toBeInstanceOf(AuthorizationError);
    expect(outside.feed.state).toBe('stopped');
    const nonsense = new Watcher(client, { transport, queue: 'not a queue' });
    expect(await nonsense.done).toBeInstanceOf(ValidationError);
    const wrongKey = new Watcher(connect({ apiKey: 'sp_test_wrong' }), { transport });
    expect(await wrongKey.done).toBeInstanceOf(AuthenticationError);
  });

  it('is offline while nobody is reached, and live again afterwards', async () => {
    const line = await FrayedLine.to(world.host.base());
    const watcher = await Watcher.open(connect({ baseUrl: line.url }), { transport });
    line.takeDown();
    await watcher.isIn('offline');
    line.mend();
    await watcher.isIn('live');
    expect(watcher.states).toEqual(['live', 'reconnecting', 'offline', 'live']);
  });

  it('leaves a connection that has gone silent', async () => {
    const queueName = newQueue();
    const line = await FrayedLine.to(world.host.base());
    const watcher = await Watcher.open(connect({ baseUrl: line.url }), {
      transport,
      queue: queueName,
      silenceTimeoutMs: 300,
    });
    line.silence();
    await work(queueName, 1);
    await eventually(() => expect(watcher.states).toContain('reconnecting'));
    line.mend();
    await eventually(() => expect(watcher.ids()).toHaveLength(4));
  });

  it('opens streams with tickets of the application’s own server', async () => {
    const queueName = newQueue();
    let asked = 0;
    const getTicket = async (): Promise<string> => {
      asked += 1;
      if (asked === 1) throw new Error('our server is busy');
      return (await client.auth.createTicket({ queue: queueName })).ticket;
    };
    const page = connect({ apiKey: undefined, getTicket });
    const watcher = await Watcher.open(page, { transport, queue: queueName });
    await work(queueName, 1);
    await eventually(() => expect(watcher.ids()).toHaveLength(4));
    expect(asked).toBe(2);
  });

  it('ends with the loop that reads it', async () => {
    const queueName = newQueue();
    const feed = client.events({ transport, queue: queueName });
    const live = new Promise<void>((resolve) => {
      feed.onStateChange((state) => state === 'live' && resolve());
    });
    const firstType = (async () => {
      for await (const event of feed) {
        if (event.type !== 'system.health' && event.type !== 'queue.stats') return event.type;
      }
      return undefined;
    })();
    await live;
    await client.jobs.create({ queueName, payload: {} });
    expect(await firstType).toBe('job.created');
    expect(feed.state).toBe('stopped');
  });

  describe('by handler', () => {
    it('calls who listens, for what is subscribed', async () => {
      const [a, b, c] = [newQueue(), newQueue(), newQueue()];
      const realtime = client.realtime({ transport, reconnect });
      onCleanUp(() => realtime.disconnect());
      const created: string[] = [];
      const all: SpooledEvent[] = [];
      realtime.on('job.created', ({ queueName }) => created.push(queueName));
      realtime.on('job.status_changed', ({ newStatus }) => created.push(newStatus));
      realtime.onEvent((event) => all.push(event));
      await realtime.subscribe({ queueName: a });
      await realtime.connect();
      expect(realtime.getState()).toBe('live');
      const create = (queueName: string) => client.jobs.create({ queueName, payload: {} });
      await create(c);
      const { id } = await create(a);
      await eventually(() => expect(created).toEqual([a]));
      await realtime.subscribe({ queueName: b });
      // Once a job of it was seen, the subscription holds.
      await eventually(async () => {
        await create(b);
        expect(created).toContain(b);
      });
      await realtime.unsubscribe({ queueName: b });
      await eventually(async () => {
        const before = created.length;
        await create(b);
        await create(a);
        await eventually(() => expect(created.slice(before)).toContain(a));
        expect(created.slice(before)).not.toContain(b);
      });
      await client.jobs.cancel(id);
      await eventually(() => expect(created).toContain('cancelled'));
      expect(created).not.toContain(c);
      expect(all.length).toBeGreaterThanOrEqual(created.length);
    });

    it('goes on where it was disconnected', async () => {
      const queueName = newQueue();
      const realtime = client.realtime({ transport, reconnect });
      onCleanUp(() => realtime.disconnect());
      const ids: (string | undefined)[] = [];
      realtime.onEvent(({ id }) => id !== undefined && ids.push(id));
      await realtime.subscribe({ queueName });
      await realtime.connect();
      await work(queueName, 1);
      await eventually(() => expect(ids).toHaveLength(4));
      realtime.disconnect();
      await eventually(() => expect(realtime.getState()).toBe('stopped'));
      await work(queueName, 1);
      await realtime.connect();
      await eventually(() => expect(ids).toHaveLength(8));
      expect(new Set(ids).size).toBe(8);
    });

    it('is refused one subscription, and goes on with the others', async () => {
      const [mine, also] = [newQueue(), newQueue()];
      const { key } = await client.apiKeys.create({ name: 'scoped', queues: [mine, also] });
      const realtime = connect({ apiKey: key }).realtime({ transport, reconnect });
      onCleanUp(() => realtime.disconnect());
      const ids: (string | undefined)[] = [];
      const refused: (string | undefined)[] = [];
      realtime.on('job.created', ({ jobId }) => ids.push(jobId));
      realtime.onRefusal(({ filter, error }) => {
        expect(error).toBeInstanceOf(AuthorizationError);
        refused.push(filter.queueName);
      });
      await realtime.subscribe({ queueName: 'yours-before' });
      await realtime.connect();
      await eventually(() => expect(refused).toEqual(['yours-before']));
      const forbidden = realtime.subscribe({ queueName: 'yours-after' });
      await expect(forbidden).rejects.toBeInstanceOf(AuthorizationError);
      // Only what is subscribed comes, although nothing that is subscribed is allowed.
      const { id: unheard } = await client.jobs.create({ queueName: also, payload: {} });
      await realtime.subscribe({ queueName: mine });
      const { id } = await client.jobs.create({ queueName: mine, payload: {} });
      await eventually(() => expect(ids).toContain(id));
      expect(ids).not.toContain(unheard);
      expect(refused).not.toContain('yours-after');
      expect(realtime.getState()).toBe('live');
    });

    it('rejects and stops when it is refused', async () => {
      const realtime = connect({ apiKey: 'sp_test_wrong' }).realtime({ transport });
      await expect(realtime.connect()).rejects.toBeInstanceOf(AuthenticationError);
      expect(realtime.getState()).toBe('auth_failed');
    });
  });
});

it('works with the WebSocket of the package ws, for Node versions without their own', async () => {
  const queueName = newQueue();
  const watcher = await Watcher.open(client, { queue: queueName, WebSocket: WebSocketOfWs });
  await work(queueName, 1);
  await eventually(() => expect(watcher.ids()).toHaveLength(4));
});

describe('waiting for a job', () => {
  it('ends when the job does, also on a line that breaks', async () => {
    const queueName = newQueue();
    const line = await FrayedLine.to(world.host.base());
    const frayed = connect({ baseUrl: line.url, retry: { baseDelayMs: 5 } });
    const { id } = await client.jobs.create({ queueName, payload: {} });
    const waiting = frayed.jobs.wait(id);
    await client.jobs.claim({ queueName, workerId: 'w' });
    line.cut();
    await client.jobs.complete(id, { workerId: 'w', result: { answer: 42 } });
    expect(await waiting).toMatchObject({ id, status: 'completed', result: { answer: 42 } });
    expect(await client.jobs.wait(id)).toMatchObject({ status: 'completed' });
  });

  it('rejects for a job that is not there, in time, and with the signal', async () => {
    await expect(client.jobs.wait('nothing')).rejects.toBeInstanceOf(NotFoundError);
    const { id } = await client.jobs.create({ queueName: newQueue(), payload: {} });
    await expect(client.jobs.wait(id, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    const abort = new AbortController();
    const waiting = client.jobs.wait(id, { signal: abort.signal });
    const reason = new Error('enough');
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });
});

describe('what an application sees', () => {
  /** One for each transport, on the same queue. */
  const watch = (queueName: string, from = client) =>
    Promise.all(transports.map((transport) => Watcher.open(from, { transport, queue: queueName })));
  /** Jobs of which a completion was seen, in order. */
  const completed = (watcher: Watcher): string[] =>
    watcher.events.flatMap((event) => (event.type === 'job.completed' ? event.data.jobId : []));
  async function completeJobs(queueName: string, count: number): Promise<string[]> {
    const done: string[] = [];
    while (done.length < count) {
      await client.jobs.create({ queueName, payload: {} });
      const { jobs } = await client.jobs.claim({ queueName, workerId: 'w' });
      for (const { id } of jobs) {
        await client.jobs.complete(id, { workerId: 'w' });
        done.push(id);
      }
    }
    return done;
  }

  it('is each event once although its token ends, as long as there is another', async () => {
    const queueName = newQueue();
    let session = await client.auth.login({ apiKey: organization.key });
    const from = connect({ apiKey: undefined, accessToken: () => session.accessToken });
    const watchers = await watch(queueName, from);
    const before = await completeJobs(queueName, 2);
    const { accessToken } = session;
    session = await client.auth.login({ apiKey: organization.key });
    await connect({ apiKey: undefined, accessToken }).auth.logout();
    for (const watcher of watchers) {
      await eventually(() => expect(watcher.states).toContain('reconnecting'));
    }
    const ids = [...before, ...(await completeJobs(queueName, 2))];
    for (const watcher of watchers) {
      await eventually(() => expect(completed(watcher)).toEqual(ids));
      expect(watcher.types()).not.toContain('gap');
    }
  });

  it('is each event once although the server is killed', async () => {
    const queueName = newQueue();
    const watchers = await watch(queueName);
    const before = await completeJobs(queueName, 5);
    await world.host.killJobs();
    await world.host.restartJobs();
    const ids = [...before, ...(await completeJobs(queueName, 5))];
    for (const watcher of watchers) {
      await eventually(() => expect(completed(watcher)).toEqual(ids));
      expect(new Set(watcher.ids()).size).toBe(watcher.ids().length);
      expect(watcher.types()).not.toContain('gap');
    }
  });

  it('is each event once, or a gap, although the bus forgets everything', async () => {
    const queueName = newQueue();
    const watchers = await watch(queueName);
    const before = await completeJobs(queueName, 3);
    for (const watcher of watchers) {
      await eventually(() => expect(completed(watcher)).toEqual(before));
    }
    await world.nats.stop();
    await world.nats.wipe();
    await world.nats.start();
    await eventually(() => client.jobs.stats());
    const after = await eventually(() => completeJobs(queueName, 3));
    for (const watcher of watchers) {
      await eventually(() => expect(completed(watcher).slice(-3)).toEqual(after));
      const seen = completed(watcher);
      expect(new Set(seen).size).toBe(seen.length);
      const isWhole = before.every((id) => seen.includes(id));
      expect(isWhole || watcher.types().includes('gap')).toBe(true);
    }
  });
});
