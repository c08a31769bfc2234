import { AppError, type EventBatch, type StoredEvent } from '@spooled/contracts';
import { OrganizationFeed } from '@spooled/event-log';
import type { Bus } from '@spooled/nats';
import { createLogger, Metrics } from '@spooled/telemetry';
import { eventually } from '@spooled/testing';
import fc from 'fast-check';
import { Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { created, ping, queueStats } from '../../test/fixtures.js';
import { MATCH_ALL, matchesFilter, type EventFilter } from './event-filter.js';
import { Message } from './message.js';
import { OrganizationHub } from './organization-hub.js';
import type { CloseReason, Outlet } from './outlet.js';
import { Reader, type ReaderLimits, type ReaderOptions } from './reader.js';
import { RealtimeMetrics } from './realtime-metrics.js';
import { Selector } from './selector.js';
import type { Transport } from './transport.js';

const ORGANIZATION = '00000000-0000-4000-8000-000000000001';
const limits: ReaderLimits = {
  maxBufferBytes: 64 * 1024,
  maxBufferEvents: 20,
  slowGraceMs: 60_000,
  replayStallMs: 60_000,
};

/** Lines of JSON instead of frames. */
const lines: Transport = {
  name: 'ws',
  key: 'lines',
  format: 0,
  frame: ({ json }) => Buffer.from(`${json}\n`),
  join: (frames) => Buffer.concat(frames),
};

/** A log behind a bus, a real feed on it, and the hub under test. */
class World {
  readonly events: StoredEvent[] = [];
  epoch = 'e';
  oldest = 1;
  isLogAway = false;
  readonly feed: OrganizationFeed;
  hub!: OrganizationHub;

  constructor() {
    this.feed = new OrganizationFeed(ORGANIZATION, this.#bus);
  }

  static async open(given: Partial<ReaderLimits> = {}, before = 0): Promise<World> {
    const world = new World();
    for (let index = 0; index < before; index += 1) world.events.push(created(`j${index}`));
    await world.feed.open();
    world.hub = new OrganizationHub({
      feed: world.feed,
      bus: world.#bus,
      limits: { ...limits, ...given },
      metrics: new RealtimeMetrics(new Metrics()),
      logger: createLogger('test', 'silent'),
      onEvents: () => undefined,
    });
    return world;
  }

  append(...events: StoredEvent[]): void {
    const first_seq = this.events.length + 1;
    this.events.push(...events);
    this.feed.accept(this.#batch(first_seq, events));
  }

  read(options: Partial<ReaderOptions> = {}): { client: Client; reader: Reader } {
    const client = new Client();
    const after = this.hub.position;
    const reader = new Reader({ hub: this.hub, outlet: client, selector: all, after, ...options });
    client.onClose = () => reader.close();
    return { client, reader };
  }

  get #bus(): Bus {
    return {
      request: async (spec: { subject: string }, input: { after: number; upTo: number | null }) => {
        await turn();
        if (this.isLogAway) throw new AppError('SERVICE_UNAVAILABLE');
        const newest = this.events.length;
        const { epoch, oldest } = this;
        if (spec.subject.endsWith('positions')) return { epoch, positions: [{ oldest, newest }] };
        const from = Math.max(input.after, oldest - 1);
        const page = this.events.slice(from, Math.min(input.upTo ?? newest, from + 7));
        const batches = page.length === 0 ? [] : [this.#batch(from + 1, page)];
        return { epoch, oldest, newest, batches, done: page.length < 7 };
      },
    } as unknown as Bus;
  }

  #batch(first_seq: number, events: StoredEvent[]): EventBatch {
    return { organization_id: ORGANIZATION, epoch: this.epoch, first_seq, events };
  }
}

/** A connection whose client can stop reading. */
class Client implements Outlet {
  readonly transport = lines;
  readonly received: { type: string; id?: string; data: Record<string, unknown> }[] = [];
  closedBecause: CloseReason | undefined;
  isStuck = false;
  onClose: () => void = () => undefined;
  #taken: (() => void) | undefined;
  readonly socket = new Writable({
    highWaterMark: 2048,
    write: (chunk: Buffer, _encoding, done) => {
      const take = (): void => {
        const texts = chunk.toString().split('\n').filter(Boolean);
        this.received.push(...texts.map((text) => JSON.parse(text) as Client['received'][0]));
        done();
      };
      if (this.isStuck) this.#taken = take;
      else take();
    },
  });

  get isOpen(): boolean {
    return this.closedBecause === undefined;
  }

  get seqs(): number[] {
    return this.received.flatMap(({ id }) => (id === undefined ? [] : [Number(id.split('-')[1])]));
  }

  unstick(): void {
    this.isStuck = false;
    this.#taken?.();
    this.#taken = undefined;
  }

  close(reason: CloseReason): void {
    this.closedBecause = reason;
    this.onClose();
  }
}

const selectorOf = (...filters: EventFilter[]) => new Selector({ access: { queues: [] } }, filters);
const all = selectorOf(MATCH_ALL);
const hello = new Message(ping);
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);
const some = (count: number, queue?: string) => range(1, count).map((n) => created(`j${n}`, queue));

describe('a reader', () => {
  it('gets what happens after it came, in order', async () => {
    const world = await World.open({}, 5);
    const { client, reader } = world.read();
    reader.start();
    world.append(...some(3));
    world.append(...some(2));
    await eventually(() => expect(client.seqs).toEqual(range(6, 10)));
  });

  it('begins after its cursor, from the log, and goes on live without hole or duplicate', async () => {
    const world = await World.open({}, 40);
    const { client, reader } = world.read({ after: 3 });
    reader.start();
    for (let index = 0; index < 10; index += 1) {
      world.append(...some(4));
      await turn();
    }
    await eventually(() => expect(client.seqs).toEqual(range(4, 80)));
  });

  it('waits for the instance to reach a cursor that is ahead of it', async () => {
    const world = await World.open({}, 5);
    const { client, reader } = world.read({ after: 7 });
    reader.start();
    world.append(...some(1));
    await turn();
    world.append(...some(3));
    await eventually(() => expect(client.seqs).toEqual([8, 9]));
  });

  it('replays for a new subscription only what this connection did not have', async () => {
    const world = await World.open({}, 10);
    const { client, reader } = world.read();
    reader.select(selectorOf({ ...MATCH_ALL, queue: 'a' }));
    reader.start();
    world.append(...some(2, 'a'), ...some(2, 'b'));
    await eventually(() => expect(client.seqs).toEqual([11, 12]));
    expect(reader.replay(8, MATCH_ALL)).toBe(true);
    reader.select(all);
    world.append(...some(1, 'b'));
    await eventually(() => expect(client.seqs).toEqual([11, 12, 9, 10, 13, 14, 15]));
    reader.replay(0, MATCH_ALL);
    await eventually(() => expect(new Set(client.seqs).size).toBe(15));
    expect(client.seqs).toHaveLength(15);
  });

  it('survives a log that is away while it catches up', async () => {
    const world = await World.open({}, 30);
    world.isLogAway = true;
    const { client, reader } = world.read({ after: 0 });
    reader.start();
    await turn();
    expect(client.seqs).toEqual([]);
    world.isLogAway = false;
    await eventually(() => expect(client.seqs).toEqual(range(1, 30)));
  });

  it('is told when its cursor is gone, and then gets what came since it connected', async () => {
    const world = await World.open({}, 30);
    world.oldest = 20;
    const { client, reader } = world.read({ after: 3 });
    reader.start();
    world.append(...some(2));
    await eventually(() => expect(client.seqs).toEqual([31, 32]));
    expect(client.received.filter(({ type }) => type === 'Error')).toMatchObject([
      { data: { code: 'CURSOR_EXPIRED', resume_from: 'e-19' } },
    ]);
    expect(client.received[0]?.type).toBe('Error');
  });

  it('is greeted before anything else, and before the log is read to its end', async () => {
    const world = await World.open({}, 30);
    const { client, reader } = world.read({ after: 3, greeting: hello });
    world.hub.tell(queueStats('emails'));
    reader.start();
    world.hub.tell(queueStats('emails'));
    await eventually(() => expect(client.seqs).toEqual(range(4, 30)));
    expect(client.received[0]).toMatchObject({ type: 'Ping' });
    expect(client.received.filter(({ id }) => id === undefined)).toHaveLength(1);
    world.hub.tell(queueStats('emails'));
    await eventually(() => expect(client.received.at(-1)).toMatchObject({ type: 'QueueStats' }));
  });

  it.each([
    ['old', { after: 3 }],
    ['foreign', { isCursorExpired: true }],
  ])('is greeted after the news that its cursor is too %s', async (_name, options) => {
    const world = await World.open({}, 30);
    world.oldest = 20;
    const { client, reader } = world.read({ ...options, greeting: hello });
    reader.start();
    await eventually(() =>
      expect(client.received.map(({ type }) => type)).toEqual(['Error', 'Ping']),
    );
    world.append(...some(1));
    await eventually(() => expect(client.seqs).toEqual([31]));
  });

  it('is told when the log became another one', async () => {
    const world = await World.open({}, 5);
    const { client, reader } = world.read();
    reader.start();
    world.epoch = 'f';
    world.events.length = 2;
    world.feed.verify('f', 2);
    await eventually(() =>
      expect(client.received[0]).toMatchObject({ data: { code: 'CURSOR_EXPIRED' } }),
    );
    world.append(created('x'));
    await eventually(() => expect(client.received[1]).toMatchObject({ id: 'f-3' }));
  });

  it('is cut when its client stops reading, and nobody else notices', async () => {
    const world = await World.open({ slowGraceMs: 50 });
    const { client: stuck, reader } = world.read();
    const { client: healthy, reader: other } = world.read();
    reader.start();
    other.start();
    stuck.isStuck = true;
    for (let index = 0; index < 10; index += 1) {
      world.append(...some(10));
      await turn();
    }
    expect(healthy.seqs).toEqual(range(1, 100));
    await eventually(() => expect(stuck.closedBecause).toBe('slow'));
    expect(stuck.socket.writableLength).toBeLessThan(20_000);
    expect(healthy.closedBecause).toBeUndefined();
  });

  it('survives a burst larger than its buffer when its client goes on reading', async () => {
    const world = await World.open({ slowGraceMs: 5000 });
    const { client, reader } = world.read();
    reader.start();
    client.isStuck = true;
    world.append(...some(10));
    await turn();
    world.append(...some(2000));
    await turn();
    client.unstick();
    await eventually(() => expect(client.seqs).toEqual(range(1, 2010)));
    world.append(...some(1));
    await eventually(() => expect(client.seqs).toHaveLength(2011));
    expect(client.closedBecause).toBeUndefined();
  });

  it('is cut when it takes nothing of what it asked to replay', async () => {
    const world = await World.open({ replayStallMs: 50 }, 2000);
    const { client, reader } = world.read({ after: 0 });
    client.isStuck = true;
    reader.start();
    await eventually(() => expect(client.closedBecause).toBe('slow'));
  });

  it('delivers each event exactly once, whatever it subscribes to, replays, and however it stalls', async () => {
    const filters = [
      MATCH_ALL,
      { ...MATCH_ALL, queue: 'a' },
      { ...MATCH_ALL, queue: 'b' },
      { ...MATCH_ALL, jobId: 'j1' },
    ];
    const filter = fc.constantFrom(...filters);
    const step = fc.oneof(
      fc.record({
        do: fc.constant('append' as const),
        events: fc.array(
          fc.record({ queue: fc.constantFrom('a', 'b', 'c'), job: fc.constantFrom('j1', 'j2') }),
          { minLength: 1, maxLength: 30 },
        ),
      }),
      fc.record({
        do: fc.constant('select' as const),
        filters: fc.array(filter, { minLength: 1 }),
      }),
      fc.record({ do: fc.constant('replay' as const), back: fc.nat(60), filter }),
      fc.record({ do: fc.constantFrom('stick' as const, 'unstick' as const, 'turn' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(30), fc.array(step, { maxLength: 30 }), async (back, steps) => {
        const world = await World.open({ maxBufferEvents: 8 }, 30);
        const { client, reader } = world.read({ after: 30 - back });
        const expected = new Set<number>();
        let selected = [MATCH_ALL];
        let since = reader.position;
        const expect_ = (from: number, to: number, wanted: readonly EventFilter[]): void => {
          for (let seq = from + 1; seq <= to; seq += 1) {
            const event = world.events[seq - 1] as StoredEvent;
            if (wanted.some((one) => matchesFilter(one, event))) expected.add(seq);
          }
        };
        reader.start();
        for (const next of steps) {
          if (next.do === 'append')
            world.append(...next.events.map((e) => created(e.job, e.queue)));
          else if (next.do === 'select') {
            expect_(since, reader.position, selected);
            since = reader.position;
            selected = next.filters;
            reader.select(selectorOf(...selected));
          } else if (next.do === 'replay') {
            const after = Math.max(0, reader.position - next.back);
            expect_(after, reader.position, [next.filter]);
            reader.replay(after, next.filter);
          } else if (next.do === 'stick') client.isStuck = true;
          else if (next.do === 'unstick') client.unstick();
          else await turn();
        }
        client.unstick();
        await eventually(() => reader.position === world.events.length);
        expect_(since, world.events.length, selected);
        await eventually(() => {
          client.unstick();
          expect([...client.seqs].sort((a, b) => a - b)).toEqual(
            [...expected].sort((a, b) => a - b),
          );
        });
        reader.close();
      }),
      { numRuns: 150 },
    );
  });
});
