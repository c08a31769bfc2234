import { streamsHeld } from '@spooled/contracts';
import { eventually, freePort, spawnProcess, WsClient } from '@spooled/testing';
import { fileURLToPath } from 'node:url';
import { created } from './fixtures.js';
import { TestGateway, type Caller } from './setup.js';
import { transports, type Watch, type WatchTransport } from './watch.js';

const CAP = 4;
const CAPS = {
  REALTIME_MAX_WS_PER_ORGANIZATION: String(CAP),
  REALTIME_MAX_SSE_PER_ORGANIZATION: String(CAP),
  REALTIME_MAX_GRPC_PER_ORGANIZATION: String(CAP),
};
let gateway: TestGateway;
let first: TestGateway['context'];
let second: TestGateway['context'];

beforeAll(async () => {
  gateway = await TestGateway.start(CAPS);
  first = gateway.context;
  await gateway.boot(CAPS);
  second = gateway.context;
});

afterAll(async () => {
  await gateway.stop();
});

/** Opens a stream at an instance. A refused one ends at once. */
function open(at: TestGateway['context'], via: WatchTransport, caller: Caller): Promise<Watch> {
  gateway.context = at;
  return via.watch(via.port(gateway), caller, {});
}

/** Whether a stream stands: it brings an event that is committed now. */
async function stands(watch: Watch, caller: Caller): Promise<boolean> {
  const { length } = watch.events;
  await gateway.append(caller, created('probe'));
  const arrives = eventually(() => watch.events.length > length);
  return Promise.race([arrives.then(() => true), watch.ended.then(() => false)]);
}

async function admits(
  at: TestGateway['context'],
  via: WatchTransport,
  caller: Caller,
): Promise<boolean> {
  return stands(await open(at, via, caller), caller);
}

/** The instance does not admit another one, after what is on its way arrived. */
const isFull = (at: TestGateway['context'], via: WatchTransport, caller: Caller) =>
  eventually(async () => {
    const watch = await open(at, via, caller);
    const hasPlace = await stands(watch, caller);
    watch.cut();
    return !hasPlace;
  });

describe.each(Object.entries(transports))('two instances, over %s', (_name, via) => {
  it('keep an organization’s cap together, and no other’s', async () => {
    const caller = gateway.caller();
    const watches: Watch[] = [];
    for (let count = 0; count < CAP; count += 1) {
      watches.push(await open(count % 2 === 0 ? first : second, via, caller));
    }
    for (const watch of watches) expect(await stands(watch, caller)).toBe(true);
    await isFull(first, via, caller);
    await isFull(second, via, caller);
    const { organizationId } = caller.principal;
    await isFull(second, via, gateway.caller({ organizationId }));
    expect(await admits(second, via, gateway.caller())).toBe(true);
    for (const other of Object.values(transports)) {
      if (other !== via) expect(await admits(second, other, caller)).toBe(true);
    }
    watches[0]!.cut();
    await eventually(() => admits(second, via, caller));
    await isFull(first, via, caller);
  });
});

describe('instances', () => {
  const via = transports.WebSocket;

  it('that start later learn of what is held', async () => {
    const caller = gateway.caller();
    for (let count = 0; count < CAP; count += 1) await open(first, via, caller);
    await gateway.boot(CAPS);
    const third = gateway.context;
    await isFull(third, via, caller);
    await third.close();
  });

  it('that stop give back what they held', async () => {
    await gateway.boot(CAPS);
    const third = gateway.context;
    const caller = gateway.caller();
    for (let count = 0; count < CAP; count += 1) await open(third, via, caller);
    await isFull(first, via, caller);
    const told: (readonly [string, number])[] = [];
    gateway.neighbours.bus.onBroadcast(streamsHeld, ({ held }) => void told.push(...held));
    await third.close();
    // By a word of its own, and not by its silence.
    const place = `ws ${caller.principal.organizationId}`;
    await eventually(() => expect(told).toContainEqual([place, 0]));
    await eventually(() => admits(first, via, caller));
  });

  it('that die without a word give back what they held within seconds', async () => {
    const [port, grpc] = [await freePort(), await freePort()];
    const dying = await spawnProcess({
      command: process.execPath,
      args: [fileURLToPath(new URL('../dist/main.js', import.meta.url))],
      env: { ...CAPS, PORT: String(port), GRPC_PORT: String(grpc) },
    });
    const caller = gateway.caller();
    const url = `ws://127.0.0.1:${port}/api/v1/ws?token=${caller.credential}`;
    for (let count = 0; count < CAP; count += 1) {
      await eventually(() => WsClient.open(url), { intervalMs: 100 });
    }
    await isFull(first, via, caller);
    dying.kill('SIGKILL');
    await dying.exited;
    await eventually(() => admits(first, via, caller));
    for (let count = 1; count < CAP; count += 1)
      expect(await admits(first, via, caller)).toBe(true);
    await isFull(first, via, caller);
  });

  it('that are asked at the very same moment let in no more than each its cap', async () => {
    const caller = gateway.caller();
    const watches = await Promise.all(
      [first, second].flatMap((at) => Array.from({ length: 3 * CAP }, () => open(at, via, caller))),
    );
    await gateway.append(caller, created('now'));
    const admitted = (): number => watches.filter(({ events }) => events.length > 0).length;
    await eventually(() => admitted() >= CAP);
    await isFull(first, via, caller);
    await isFull(second, via, caller);
    expect(admitted()).toBeLessThanOrEqual(2 * CAP);
  });

  it('count alone while the bus is away, and together when it is back', async () => {
    const caller = gateway.caller();
    for (let count = 0; count < CAP - 1; count += 1) await open(first, via, caller);
    // The organization is followed there, so who comes while the bus is away is not turned away.
    await open(second, via, caller);
    await isFull(second, via, caller);
    await gateway.nats.stop();
    const client = await eventually(() => (gateway.context = second) && gateway.ws(caller), {
      intervalMs: 50,
    });
    await gateway.nats.start();
    client.terminate();
    await eventually(
      async () => {
        gateway.context = second;
        const [refused] = await Promise.allSettled([gateway.ws(caller)]);
        if (refused.status === 'fulfilled') refused.value.terminate();
        return refused.status === 'rejected' && /429/.test(String(refused.reason));
      },
      { intervalMs: 50 },
    );
  });
});
