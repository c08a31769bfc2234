import type { StoredEvent } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import fc from 'fast-check';
import { BadLine } from './bad-line.js';
import { changed, completed, created, failed, registered } from './fixtures.js';
import { TestGateway, type Caller, type Wire } from './setup.js';
import { transports, type Wanted, type Watch, type WatchTransport } from './watch.js';

/** Runs of random cuts per cell of the matrix. */
const RANDOM_RUNS = 12;

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({
    REALTIME_MAX_WS_PER_ORGANIZATION: '1000',
    REALTIME_MAX_SSE_PER_ORGANIZATION: '1000',
    REALTIME_MAX_GRPC_PER_ORGANIZATION: '1000',
  });
});

afterAll(async () => {
  await gateway.stop();
});

/** Lives of jobs, committed in several transactions. */
const script = (): StoredEvent[][] => [
  [created('j1', 'b'), created('j2', 'a')],
  [registered('w1', 'a'), changed('j2', 'processing', { queue: 'a', rev: 2 })],
  [failed('j2', true, { queue: 'a', rev: 3 }), changed('j2', 'pending', { queue: 'a', rev: 3 })],
  [changed('j1', 'processing', { queue: 'b', rev: 2 })],
  [
    changed('j1', 'completed', { queue: 'b', rev: 3, from: 'processing' }),
    completed('j1', { queue: 'b', rev: 3 }),
    created('j3', 'a'),
  ],
  [changed('j3', 'cancelled', { queue: 'a', rev: 2 }), registered('w2', 'b')],
  [changed('j2', 'processing', { queue: 'a', rev: 4 })],
  [
    changed('j2', 'completed', { queue: 'a', rev: 5, from: 'processing' }),
    completed('j2', { queue: 'a', rev: 5 }),
  ],
];
/** Passes every filter below. */
const last = (): StoredEvent => changed('j2', 'pending', { queue: 'a', rev: 6 });

interface Filter {
  readonly wanted: Wanted;
  readonly queues?: readonly string[];
  readonly passes: (event: StoredEvent) => boolean;
}

const inQueueA = ({ data }: StoredEvent): boolean => data.queue_name === 'a';

const filters: Record<string, Filter> = {
  everything: { wanted: {}, passes: () => true },
  'one queue': { wanted: { queue: 'a' }, passes: inQueueA },
  'one job': {
    wanted: { job: 'j2' },
    passes: ({ data }) => 'job_id' in data && data.job_id === 'j2',
  },
  'some types, with a scoped key': {
    wanted: { events: ['job.status', 'worker.registered'] },
    queues: ['a'],
    passes: (event) =>
      inQueueA(event) && (event.type === 'JobStatusChange' || event.type === 'WorkerRegistered'),
  },
};

/** One organization's log, and what a filter must make of it. */
class Log {
  readonly #events: StoredEvent[] = [];
  #epoch = '';

  private constructor(
    readonly caller: Caller,
    private readonly filter: Filter,
  ) {}

  /** `isRemembered`: somebody follows the organization before it begins, so the gateway has all of it in memory. */
  static async write(filter: Filter, isRemembered: boolean): Promise<Log> {
    const log = new Log(gateway.caller({ queues: [...(filter.queues ?? [])] }), filter);
    const isThere = async (): Promise<void> => {
      const probe = await gateway.sse(log.caller, '/events');
      const [comment] = await eventually(
        () => (probe.comments.length > 0 ? probe.comments : null)!,
      );
      log.#epoch = /^connected (.+)-\d+$/.exec(comment!)![1]!;
    };
    if (isRemembered) await isThere();
    for (const events of script()) await log.append(...events);
    if (!isRemembered) await isThere();
    return log;
  }

  get beginning(): string {
    return `${this.#epoch}-0`;
  }

  /** What passes the filter, as every transport must show it. */
  get record(): Wire[] {
    return this.#events
      .map((event, index) => ({ ...event, id: `${this.#epoch}-${index + 1}` }))
      .filter((event) => this.filter.passes(event));
  }

  async append(...events: StoredEvent[]): Promise<void> {
    this.#events.push(...events);
    await gateway.append(this.caller, ...events);
  }
}

const cells = Object.entries(transports).flatMap(([transport, via]) =>
  Object.entries(filters).flatMap(([name, filter]) =>
    [true, false].map((isRemembered) => ({
      name: `${transport}, ${name}, replayed from ${isRemembered ? 'memory' : 'the log'}`,
      via,
      filter,
      isRemembered,
    })),
  ),
);

describe.each(cells)(
  'a client that loses its connection: $name',
  ({ via, filter, isRemembered }) => {
    let log: Log;
    beforeAll(async () => {
      log = await Log.write(filter, isRemembered);
    });

    const open = (after: string, port = via.port(gateway)): Promise<Watch> =>
      via.watch(port, log.caller, { ...filter.wanted, after });

    it('after any event has, with what it gets when it is back, exactly the log', async () => {
      const before = log.record;
      const runs = Array.from({ length: before.length + 1 }, async (_, count) => {
        const first = await open(log.beginning);
        await eventually(() => first.events.length >= count);
        first.cut();
        const kept = first.events.slice(0, count);
        const second = await open(kept.at(-1)?.id ?? log.beginning);
        await eventually(() => expect([...kept, ...second.events]).toEqual(before));
        return { kept, second };
      });
      const ready = await Promise.all(runs);
      // Whoever has caught up is live, and nothing comes twice.
      await log.append(last());
      for (const { kept, second } of ready) {
        await eventually(() => expect([...kept, ...second.events]).toEqual(log.record));
        second.cut();
      }
    });

    it('at any byte has, with what it gets when it is back, exactly the log', async () => {
      const line = await BadLine.start(via.port(gateway));
      const whole = await open(log.beginning, line.port);
      await eventually(() => expect(whole.events).toEqual(log.record));
      whole.cut();
      const { bytes } = line;
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: bytes }), { minLength: 1, maxLength: 4 }),
          async (cuts) => {
            const kept: Wire[] = [];
            for (const cut of cuts) {
              line.cutNextAfter(cut);
              const watch = await open(kept.at(-1)?.id ?? log.beginning, line.port);
              await Promise.race([watch.ended, caughtUp(watch, log.record.length - kept.length)]);
              watch.cut();
              kept.push(...watch.events);
            }
            const end = await open(kept.at(-1)?.id ?? log.beginning, line.port);
            await eventually(() => expect([...kept, ...end.events]).toEqual(log.record));
            end.cut();
          },
        ),
        { numRuns: RANDOM_RUNS, endOnFailure: true },
      );
    });
  },
);

/** A budget larger than what is left never cuts. */
function caughtUp(watch: Watch, count: number): Promise<unknown> {
  return eventually(() => watch.events.length >= count);
}

describe.each(Object.entries(transports))('under load, over %s', (_name, via: WatchTransport) => {
  it('a client that is cut again and again records exactly what is committed meanwhile', async () => {
    const caller = gateway.caller();
    const line = await BadLine.start(via.port(gateway));
    const jobs = Array.from({ length: 400 }, (_, index) => `load-${index}`);
    const watcher = await via.watch(via.port(gateway), caller, {});
    const writing = (async () => {
      for (let at = 0; at < jobs.length; at += 4) {
        await gateway.append(caller, ...jobs.slice(at, at + 4).map((job) => created(job)));
      }
    })();
    await eventually(() => watcher.events.length > 0);
    const beginning = watcher.events[0]!.id!.replace(/\d+$/, '0');
    const kept: Wire[] = [];
    let connections = 0;
    while (kept.length < jobs.length) {
      connections += 1;
      line.cutNextAfter(1000 + ((connections * 7919) % 6000));
      const after = kept.at(-1)?.id ?? beginning;
      const watch = await via.watch(line.port, caller, { after });
      await Promise.race([watch.ended, caughtUp(watch, jobs.length - kept.length)]);
      watch.cut();
      kept.push(...watch.events);
    }
    await writing;
    expect(kept.map(({ data }) => data['job_id'])).toEqual(jobs);
    expect(connections).toBeGreaterThan(10);
    await eventually(() => expect(watcher.events).toEqual(kept));
    watcher.cut();
  });
});
