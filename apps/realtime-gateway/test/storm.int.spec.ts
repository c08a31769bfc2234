import type { StoredEvent } from '@spooled/contracts';
import { Metrics } from '@spooled/telemetry';
import { eventually } from '@spooled/testing';
import { setTimeout as delay } from 'node:timers/promises';
import { created } from './fixtures.js';
import { metricOf, seqOf, TestGateway, type Caller, type Wire } from './setup.js';
import { transports, type Wanted, type Watch, type WatchTransport } from './watch.js';

/** Of each transport. `npm run bench -- storm` does the same with 5,000 clients in processes of their own. */
const CLIENTS = { WebSocket: 700, SSE: 200, gRPC: 100 } as const;
const ALL = CLIENTS.WebSocket + CLIENTS.SSE + CLIENTS.gRPC;
const QUEUES = ['a', 'b', 'c', 'd', 'e'] as const;
/** A client waits up to this long, at random, before it reconnects. */
const BACKOFF_MS = 1000;
const BACK_MS = 120_000;
/** What is asked from time to time, whoever comes: whether credentials are good, whether the database is. */
const QUESTIONS_PER_SECOND = 3;
/** No question costs the database more. */
const STATEMENTS_PER_QUESTION = 2;
/**
 * Statements per reconnect: 0.001 of 5,000; of so few, what is asked once weighs more. 0.6 when each client asks for
 * itself.
 */
const MAX_COST = 0.15;

const environment = {
  REALTIME_MAX_WS_PER_ORGANIZATION: '5000',
  REALTIME_MAX_SSE_PER_ORGANIZATION: '5000',
  REALTIME_MAX_GRPC_PER_ORGANIZATION: '5000',
};

let gateway: TestGateway;
let log: StoredEvent[];
let callers: readonly Caller[];
let clients: readonly Client[];

/** Follows everything or one queue, and resumes after the last event it has whenever its connection ends. */
class Client {
  readonly #kept: Wire[] = [];
  #watch: Watch | undefined;
  #isOver = false;
  /** Connections so far. */
  connections = 0;
  /** Why it is away, if it tried and was not let in. */
  refusal: unknown;
  readonly over: Promise<void>;

  constructor(
    private readonly via: WatchTransport,
    private readonly caller: Caller,
    private readonly queue: string | undefined,
  ) {
    this.over = this.#follow();
  }

  get events(): readonly Wire[] {
    return [...this.#kept, ...(this.#watch?.events ?? [])];
  }

  /** Sequences of what it should have by now. */
  get expected(): readonly number[] {
    return log.flatMap(({ data }, index) =>
      this.queue === undefined || data.queue_name === this.queue ? [index + 1] : [],
    );
  }

  cut(): void {
    this.#watch?.cut();
  }

  end(): void {
    this.#isOver = true;
    this.cut();
  }

  async #follow(): Promise<void> {
    while (!this.#isOver) {
      const wanted: Wanted = { queue: this.queue, after: this.#kept.at(-1)?.id };
      try {
        await this.#watchOnce(await this.via.watch(this.via.port(gateway), this.caller, wanted));
      } catch (error) {
        this.refusal = error;
      }
      await delay(Math.random() * BACKOFF_MS);
    }
  }

  async #watchOnce(watch: Watch): Promise<void> {
    this.connections += 1;
    this.refusal = undefined;
    this.#watch = watch;
    if (this.#isOver) watch.cut();
    await watch.ended;
    this.#watch = undefined;
    this.#kept.push(...watch.events);
  }
}

beforeAll(async () => {
  gateway = await TestGateway.start(environment);
  log = [];
  const first = gateway.caller();
  const { organizationId } = first.principal;
  callers = [first, gateway.caller({ organizationId }), gateway.caller({ organizationId })];
  clients = Object.entries(transports).flatMap(([name, via]) =>
    Array.from({ length: CLIENTS[name as keyof typeof CLIENTS] }, (_, index) => {
      const queue = index % 2 === 0 ? undefined : QUEUES[index % QUEUES.length];
      return new Client(via, callers[index % callers.length]!, queue);
    }),
  );
  await allOpen();
  await happen(1);
  await allHave();
});

afterAll(async () => {
  for (const client of clients) client.end();
  await Promise.all(clients.map(({ over }) => over));
  await gateway.stop();
});

async function allOpen(): Promise<void> {
  await eventually(
    async () => {
      expect(clients.flatMap(({ refusal }) => (refusal === undefined ? [] : [refusal]))).toEqual(
        [],
      );
      expect(await gateway.metric('spooled_realtime_connections')).toBe(ALL);
    },
    { timeoutMs: BACK_MS },
  );
}

/** Questions that the other services were asked so far. */
const questions = (): Promise<number> =>
  metricOf(gateway.others.get(Metrics), 'spooled_redis_operations_total{operation="answered"}');

/** So many events in each queue. */
async function happen(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const events = QUEUES.map((queue) => created(`job-${log.length}-${queue}`, queue));
    await gateway.append(callers[0]!, ...events);
    log.push(...events);
  }
}

/** Every client has exactly what was committed, in order. */
async function allHave(): Promise<void> {
  await eventually(
    () =>
      expect(
        clients.filter(({ events, expected }) => events.length !== expected.length),
      ).toHaveLength(0),
    { timeoutMs: BACK_MS, intervalMs: 100 },
  );
  for (const { events, expected } of clients) expect(events.map(seqOf)).toEqual(expected);
}

/** What a storm costs the database per client that came back. */
async function statementsPerReconnect(storm: () => Promise<void>): Promise<number> {
  const connections = (): number => clients.reduce((sum, client) => sum + client.connections, 0);
  const [asked, connected, began] = [await questions(), connections(), performance.now()];
  await storm();
  await allHave();
  await allOpen();
  const reconnects = connections() - connected;
  expect(reconnects).toBeGreaterThanOrEqual(ALL);
  const usual = (QUESTIONS_PER_SECOND * (performance.now() - began)) / 1000;
  return (STATEMENTS_PER_QUESTION * ((await questions()) - asked - usual)) / reconnects;
}

describe(`${ALL} clients that lose their connections at once`, () => {
  it('come back with their cursors, miss nothing, and cost the database next to nothing', async () => {
    const cost = await statementsPerReconnect(async () => {
      for (const client of clients) client.cut();
      await happen(20);
    });
    expect(cost).toBeLessThanOrEqual(MAX_COST);
  });

  it('do so too when it was their gateway that stopped, and the new one knows nothing', async () => {
    const before = gateway.context;
    const cost = await statementsPerReconnect(async () => {
      await gateway.boot({ ...environment, REALTIME_DRAIN_MS: '1000' });
      await Promise.all([before.close(), happen(20)]);
    });
    expect(cost).toBeLessThanOrEqual(MAX_COST);
  });
});
