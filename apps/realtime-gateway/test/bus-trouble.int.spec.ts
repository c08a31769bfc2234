import { connect as connectNats, type NatsConnection } from '@nats-io/transport-node';
import type { StoredEvent } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { eventually, natsServer } from '@spooled/testing';
import { cp, rm } from 'node:fs/promises';
import { BadLine } from './bad-line.js';
import { changed, completed, created } from './fixtures.js';
import { TestGateway, type Caller, type Wire } from './setup.js';
import { transports, type Watch } from './watch.js';

/** A question that was under way when the bus went waits for its answer until its own deadline. */
const CATCH_UP_MS = 120_000;

let gateway: TestGateway;
let url: string;

beforeAll(async () => {
  gateway = await TestGateway.start();
  url = gateway.nats.url;
});

afterAll(async () => {
  await gateway.stop();
});

/** An organization whose jobs live on while the bus has its troubles, watched over every transport. */
class Scene {
  readonly events: StoredEvent[] = [];
  readonly #watches: { watch: Watch; passes: (event: StoredEvent) => boolean }[] = [];
  #isOver = false;
  #writing: Promise<void> = Promise.resolve();

  private constructor(readonly caller: Caller) {}

  static async open(): Promise<Scene> {
    const scene = new Scene(gateway.caller());
    for (const via of Object.values(transports)) {
      const port = via.port(gateway);
      const all = await via.watch(port, scene.caller, {});
      const some = await via.watch(port, scene.caller, { queue: 'a', events: ['job.status'] });
      scene.#watches.push(
        { watch: all, passes: () => true },
        {
          watch: some,
          passes: ({ type, data }) => type === 'JobStatusChange' && data.queue_name === 'a',
        },
      );
    }
    scene.#writing = scene.#write();
    return scene;
  }

  /** Resolves when so many more events were committed. */
  async goOn(count: number): Promise<void> {
    const enough = this.events.length + count;
    await eventually(() => this.events.length >= enough, { timeoutMs: CATCH_UP_MS });
  }

  /** Resolves when a client has what is committed now. */
  async caughtUp(): Promise<void> {
    const { length } = this.events;
    await eventually(() => this.#watches[0]!.watch.events.length >= length, {
      timeoutMs: CATCH_UP_MS,
    });
  }

  /** Every client has exactly the log, and every job its transitions without a gap. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#writing;
    for (const { watch, passes } of this.#watches) {
      const expected = this.events.flatMap((event, index) =>
        passes(event) ? [{ ...event, seq: index + 1 }] : [],
      );
      await eventually(() => expect(watch.events).toHaveLength(expected.length), {
        timeoutMs: CATCH_UP_MS,
        intervalMs: 50,
      });
      const received = watch.events.map(({ type, data, id }) => ({
        type,
        data,
        seq: Number(id!.split('-')[1]),
      }));
      expect(received).toEqual(expected);
      watch.cut();
    }
    const whole = this.#watches[0]!.watch.events;
    for (const revs of Map.groupBy(whole, ({ data }) => data['job_id']).values()) {
      const numbers = revs.map(({ data }: Wire) => data['rev'] as number);
      expect([...new Set(numbers)]).toEqual(numbers.slice(0, -1).map((_, index) => index + 1));
    }
  }

  async #write(): Promise<void> {
    for (let number = 0; !this.#isOver; number += 1) {
      const job = `job-${number}`;
      const queue = 'abc'[number % 3]!;
      await this.#commit(created(job, queue, 1));
      await this.#commit(changed(job, 'processing', { queue, rev: 2 }));
      await this.#commit(
        changed(job, 'completed', { queue, rev: 3 }),
        completed(job, { queue, rev: 3 }),
      );
    }
  }

  async #commit(...events: StoredEvent[]): Promise<void> {
    await gateway.append(this.caller, ...events);
    this.events.push(...events);
  }
}

describe('no event is lost and none comes twice, over any transport, when the bus', () => {
  it('is killed under load, twice', async () => {
    const scene = await Scene.open();
    for (let time = 0; time < 2; time += 1) {
      await scene.goOn(100);
      await gateway.nats.kill();
      await scene.goOn(100);
      await gateway.nats.start();
      await scene.goOn(100);
    }
    await scene.end();
  });

  it('is rolled back to an older copy of itself under load', async () => {
    const scene = await Scene.open();
    const { nats } = gateway;
    const copy = `${nats.dir}-copy`;
    await scene.goOn(100);
    await nats.stop();
    await cp(nats.dir, copy, { recursive: true });
    await nats.start();
    await scene.goOn(300);
    await scene.caughtUp();
    await nats.kill();
    await nats.wipe();
    await cp(copy, nats.dir, { recursive: true });
    await rm(copy, { recursive: true });
    await scene.goOn(50);
    await nats.start();
    await scene.goOn(100);
    await scene.end();
  });

  it('loses, repeats and reorders what it carries, and brings the events of another log', async () => {
    const mangled = await natsServer();
    const before = gateway.context;
    const bridge = await Bridge.open(url, mangled.url);
    process.env['NATS_URL'] = mangled.url;
    await gateway.boot();
    process.env['NATS_URL'] = url;
    const scene = await Scene.open();
    await scene.goOn(1500);
    expect(bridge.dropped).toBeGreaterThan(20);
    await scene.end();
    await gateway.context.close();
    gateway.context = before;
    await bridge.close();
  });

  it('is cut off one way: the gateway is heard and hears nothing', async () => {
    const before = gateway.context;
    const line = await BadLine.start(Number(new URL(url).port));
    process.env['NATS_URL'] = `nats://127.0.0.1:${line.port}`;
    await gateway.boot();
    process.env['NATS_URL'] = url;
    const scene = await Scene.open();
    await scene.goOn(50);
    line.mute();
    const bus = gateway.context.get(Bus);
    await eventually(() => expect(bus.isConnected).toBe(false));
    await scene.goOn(50);
    line.unmute();
    await scene.goOn(50);
    await scene.end();
    await gateway.context.close();
    gateway.context = before;
  });
});

/** Carries everything from one bus to another, questions faithfully and events badly. */
class Bridge {
  dropped = 0;
  #count = 0;
  readonly #late = new Set<NodeJS.Timeout>();

  private constructor(
    private readonly real: NatsConnection,
    private readonly mangled: NatsConnection,
  ) {
    mangled.subscribe('spooled.v1.rpc.>', {
      callback: (_error, question) => {
        const { subject, data } = question;
        void real.request(subject, data, { timeout: 10_000 }).then(
          (answer) => question.respond(answer.data),
          () => undefined,
        );
      },
    });
    real.subscribe('spooled.v1.hint.>', {
      callback: (_error, { subject, data }) => mangled.publish(subject, data),
    });
    real.subscribe('spooled.v1.events.>', {
      callback: (_error, { subject, data, headers }) => {
        this.#pass(() => mangled.publish(subject, data, { headers }));
        const foreign = new TextDecoder().decode(data).replace(/"epoch":"./, '"epoch":"~');
        if (this.#count % 50 === 0) mangled.publish(subject, foreign, { headers });
        if (this.#count % 37 === 0) mangled.publish(subject, '{"no": "batch"', { headers });
      },
    });
  }

  static async open(real: string, mangled: string): Promise<Bridge> {
    return new Bridge(
      await connectNats({ servers: real }),
      await connectNats({ servers: mangled }),
    );
  }

  async close(): Promise<void> {
    for (const timer of this.#late) clearTimeout(timer);
    await Promise.all([this.real.close(), this.mangled.close()]);
  }

  #pass(publish: () => void): void {
    this.#count += 1;
    if (this.#count % 11 === 0) {
      this.dropped += 1;
      return;
    }
    if (this.#count % 3 === 0) this.#passLate(publish, (this.#count * 7919) % 60);
    else publish();
    if (this.#count % 5 === 0) this.#passLate(publish, (this.#count * 104_729) % 150);
  }

  #passLate(publish: () => void, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#late.delete(timer);
      publish();
    }, delayMs);
    this.#late.add(timer);
  }
}
