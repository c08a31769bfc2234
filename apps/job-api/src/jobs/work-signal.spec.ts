import type { Bus } from '@spooled/nats';
import fc from 'fast-check';
import { QueuesByOrganization } from './by-organization.js';
import { WorkSignal, type WorkListener } from './work-signal.js';

const ORGANIZATION = 'o';
const QUEUE = { organizationId: ORGANIZATION, queueName: 'q' };
const never = new AbortController().signal;

/** The signal within one process; what goes over the bus is tested with a bus. */
function setup() {
  const hints: unknown[] = [];
  const bus = { hint: (_spec: unknown, _of: string, payload: unknown) => hints.push(payload) };
  return { signal: new WorkSignal(bus as unknown as Bus), hints };
}

/** A look that finds so many jobs. */
const finds = (listener: WorkListener, wanted: number, count: number, isPaced = false) =>
  listener.look(wanted, async () => ({ jobs: Array.from({ length: count }), isPaced }));

/** Listeners that looked in vain and wait, in this order; `woken` names those that were woken since. */
async function waiting(signal: WorkSignal, count: number) {
  const listeners = Array.from({ length: count }, () => signal.listen(ORGANIZATION, 'q'));
  const woken: number[] = [];
  const waits = listeners.map(async (listener, index) => {
    await finds(listener, 1, 0);
    await listener.woken(never);
    woken.push(index);
  });
  await turn();
  return { listeners, woken, waits };
}

const turn = () => new Promise(setImmediate);

describe('work that is announced', () => {
  it.each<[jobs: number, waiters: number, woken: number[]]>([
    [1, 3, [0]],
    [2, 3, [0, 1]],
    [3, 3, [0, 1, 2]],
    [100, 3, [0, 1, 2]],
    [Infinity, 3, [0]],
  ])('of %d jobs wakes of %d that wait %j', async (jobs, waiters, expected) => {
    const { signal } = setup();
    const { woken } = await waiting(signal, waiters);
    signal.wake(QUEUE, jobs);
    await turn();
    expect(woken).toEqual(expected);
  });

  it('is shared out: everybody knows how many jobs are his', async () => {
    const { signal } = setup();
    const { listeners } = await waiting(signal, 3);
    signal.wake(QUEUE, 8);
    expect(listeners.map(({ expected }) => expected)).toEqual([3, 3, 2]);
  });

  it('is shared with those who look when it is more than one for each that waits', async () => {
    const { signal } = setup();
    const { listeners } = await waiting(signal, 2);
    const busy = signal.listen(ORGANIZATION, 'q');
    signal.wake(QUEUE, 2);
    expect([...listeners, busy].map(({ expected }) => expected)).toEqual([1, 1, 0]);
    const again = await waiting(signal, 1);
    signal.wake(QUEUE, 8);
    expect([...again.listeners, ...listeners, busy].map(({ expected }) => expected)).toEqual([
      2, 3, 3, 2,
    ]);
  });

  it('goes to those who look when nobody waits, each time to another', async () => {
    const { signal } = setup();
    const listeners = [signal.listen(ORGANIZATION, 'q'), signal.listen(ORGANIZATION, 'q')];
    signal.wake(QUEUE, 1);
    expect(listeners.map(({ expected }) => expected)).toEqual([1, 0]);
    signal.wake(QUEUE, 1);
    expect(listeners.map(({ expected }) => expected)).toEqual([1, 1]);
  });

  it('during a look leads to another look', async () => {
    const { signal } = setup();
    const listener = signal.listen(ORGANIZATION, 'q');
    await listener.look(1, async () => {
      signal.wake(QUEUE, 1);
      return { jobs: [], isPaced: false };
    });
    expect(listener.expected).toBe(1);
    await listener.woken(never);
    await finds(listener, 1, 1);
    expect(listener.expected).toBe(0);
  });

  it('of another queue or organization wakes nobody', async () => {
    const { signal } = setup();
    const { woken } = await waiting(signal, 1);
    signal.wake({ organizationId: ORGANIZATION, queueName: 'other' }, 9);
    signal.wake({ organizationId: 'other', queueName: 'q' }, 9);
    await turn();
    expect(woken).toEqual([]);
  });

  it('is told to other instances with the number of jobs, if it is known', () => {
    const { signal, hints } = setup();
    const ready = new QueuesByOrganization();
    ready.add(ORGANIZATION, 'q');
    ready.add(ORGANIZATION, 'q');
    ready.add(ORGANIZATION, 'resumed', Infinity);
    signal.announce(ready);
    expect(hints).toMatchObject([{ queueNames: ['q', 'resumed'], jobs: [2, null] }]);
  });
});

describe('a caller that was woken', () => {
  it('and found exactly what it was told of may wait', async () => {
    const { signal } = setup();
    const { listeners, woken } = await waiting(signal, 2);
    signal.wake(QUEUE, 1);
    await turn();
    await finds(listeners[0]!, 1, 1);
    expect(listeners[0]!.expected).toBe(0);
    await turn();
    expect(woken).toEqual([0]);
  });

  it('and took less than its share expects the rest, and passes it on when it stops', async () => {
    const { signal } = setup();
    const { listeners, woken } = await waiting(signal, 1);
    signal.wake(QUEUE, 5);
    await finds(listeners[0]!, 2, 2);
    expect(listeners[0]!.expected).toBe(3);
    const second = await waiting(signal, 1);
    listeners[0]!.stop();
    await turn();
    expect([woken, second.woken]).toEqual([[0], [0]]);
    expect(second.listeners[0]!.expected).toBe(3);
  });

  it('and stops without having looked passes it on', async () => {
    const { signal } = setup();
    const { listeners, woken } = await waiting(signal, 2);
    signal.wake(QUEUE, 1);
    listeners[0]!.stop();
    await turn();
    expect(woken).toEqual([0, 1]);
  });

  it('and found nothing wakes nobody', async () => {
    const { signal } = setup();
    const { listeners, woken } = await waiting(signal, 2);
    signal.wake(QUEUE, 1);
    await finds(listeners[0]!, 1, 0);
    listeners[0]!.stop();
    await turn();
    expect(woken).toEqual([0]);
  });

  it('and found as many as it wanted, nobody knowing how many there are, gets company', async () => {
    const { signal } = setup();
    const { listeners, woken } = await waiting(signal, 4);
    signal.wake(QUEUE, Infinity);
    await turn();
    expect(woken).toEqual([0]);
    await finds(listeners[0]!, 1, 1);
    expect(listeners[0]!.expected).toBe(Infinity);
    await turn();
    expect(woken).toEqual([0, 1]);
    await Promise.all([finds(listeners[0]!, 1, 1), finds(listeners[1]!, 1, 1)]);
    await turn();
    expect(woken).toEqual([0, 1, 2, 3]);
  });
});

describe('a caller that waits', () => {
  it('is let go when its time is over, when it is aborted, and when the service stops', async () => {
    const { signal } = setup();
    const abort = new AbortController();
    const listeners = [1, 2, 3].map(() => signal.listen(ORGANIZATION, 'q'));
    const ended: string[] = [];
    const waits = [
      listeners[0]!.woken(never, 5).then(() => ended.push('time')),
      listeners[1]!.woken(abort.signal).then(() => ended.push('abort')),
      listeners[2]!.woken(never).then(() => ended.push('stop')),
    ];
    await waits[0];
    abort.abort();
    await waits[1];
    signal.onModuleDestroy();
    await waits[2];
    expect(ended).toEqual(['time', 'abort', 'stop']);
    await listeners[0]!.woken(never);
  });

  it('is known by its queue as long as it waits', async () => {
    const { signal } = setup();
    const { listeners } = await waiting(signal, 2);
    expect(signal.waitedFor()).toEqual([QUEUE]);
    signal.wake(QUEUE, 2);
    await turn();
    expect(signal.waitedFor()).toEqual([]);
    for (const listener of listeners) listener.stop();
  });

  it('for a paced queue is woken a moment later, one for all', async () => {
    const { signal } = setup();
    const { listeners, woken, waits } = await waiting(signal, 3);
    const late = signal.listen(ORGANIZATION, 'q');
    await finds(late, 5, 0, true);
    await finds(late, 5, 2, true);
    late.stop();
    await waits[0];
    await turn();
    expect(woken).toEqual([0]);
    for (const listener of listeners) listener.stop();
  });
});

describe('whoever comes and goes', () => {
  /** Jobs of one queue, and callers that take them in turns of their own. */
  class Model {
    available = 0;
    readonly #signal = setup().signal;

    constructor(private readonly random: () => number) {}

    add(jobs: number): void {
      this.available += jobs;
      this.#signal.wake(QUEUE, jobs);
    }

    /** Looks once and is gone when it finds something, as a claim that waits. */
    async claim(wanted: number, signal: AbortSignal): Promise<void> {
      const listener = this.#signal.listen(ORGANIZATION, 'q');
      try {
        while (!signal.aborted) {
          const { jobs } = await listener.look(wanted, () => this.#look(wanted));
          if (jobs.length > 0) return;
          await listener.woken(signal);
        }
      } finally {
        listener.stop();
      }
    }

    /** Looks on and on, and does not listen now and then, as a stream. */
    async stream(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        const listener = this.#signal.listen(ORGANIZATION, 'q');
        for (let looks = this.#turns(5); looks >= 0 && !signal.aborted; looks -= 1) {
          const wanted = Math.min(8, Math.max(1, listener.expected));
          const { jobs } = await listener.look(wanted, () => this.#look(wanted));
          await this.#pass();
          if (jobs.length === 0 || jobs.length === wanted) await listener.woken(signal);
        }
        listener.stop();
        await this.#pass();
      }
    }

    async #look(wanted: number) {
      await this.#pass();
      const count = Math.min(wanted, this.available);
      this.available -= count;
      await this.#pass();
      return { jobs: Array.from({ length: count }), isPaced: false };
    }

    async #pass(): Promise<void> {
      for (let turns = this.#turns(4); turns > 0; turns -= 1) await turn();
    }

    #turns(max: number): number {
      return Math.floor(this.random() * max);
    }
  }

  it('no job stays behind that was announced while somebody waits', async () => {
    const callers = fc.record({ streams: fc.integer({ min: 1, max: 6 }), claims: fc.nat(6) });
    const batches = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        callers,
        batches,
        fc.infiniteStream(fc.double({ min: 0, max: 0.99, noNaN: true })),
        async (given, added, noise) => {
          const model = new Model(() => noise.next().value!);
          const end = new AbortController();
          const all = [
            ...Array.from({ length: given.streams }, () => model.stream(end.signal)),
            ...Array.from({ length: given.claims }, (_, n) => model.claim(1 + (n % 3), end.signal)),
          ];
          for (const jobs of added) {
            model.add(jobs);
            for (let turns = jobs % 4; turns > 0; turns -= 1) await turn();
          }
          for (let turns = 0; turns < 2000 && model.available > 0; turns += 1) await turn();
          const left = model.available;
          end.abort();
          await Promise.all(all);
          expect(left).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });
});
