import { authChanged, authRpc, plans, type Principal } from '@spooled/contracts';
import { eventually, Signal } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { Principals, type PrincipalChange } from '../src/index.js';
import { later, logger, World } from './setup.js';

let world: World;
let principals: Principals;
/** What auth knows, and what it was asked. */
const known = new Map<string, Principal>();
const asked: string[] = [];
let gate: Promise<void> = Promise.resolve();

beforeEach(async () => {
  world = await World.setup();
  world.auth.respond(authRpc.resolve, async ({ credential }) => {
    asked.push(credential);
    const principal = known.get(credential) ?? null;
    await gate;
    return { principal };
  });
  principals = new Principals(world.bus, logger);
  principals.onModuleInit();
  await world.flush();
  known.clear();
  asked.length = 0;
  gate = Promise.resolve();
});
afterEach(async () => {
  await world.stop();
});

function add(credential: string, over: Partial<Principal> = {}): Principal {
  const principal: Principal = {
    organizationId: randomUUID(),
    apiKeyId: randomUUID(),
    credential: 'key',
    queues: [],
    plan: plans.free,
    keyRateLimit: null,
    keyExpiresAt: null,
    ...over,
  };
  known.set(credential, principal);
  return principal;
}

describe('whose credential it is', () => {
  it('is asked once for many requests of one moment, and for those of the next seconds', async () => {
    // What is remembered for seconds is so however long this takes.
    later(0);
    const principal = add('a');
    const answers = await Promise.all(Array.from({ length: 20 }, () => principals.resolve('a')));
    expect(new Set(answers.map((answer) => answer?.apiKeyId))).toEqual(
      new Set([principal.apiKeyId]),
    );
    expect(await principals.resolve('a')).toEqual(principal);
    expect(asked).toEqual(['a']);
    later(3000);
    await principals.resolve('a');
    expect(asked).toEqual(['a']);
    later(5100);
    await principals.resolve('a');
    expect(asked).toEqual(['a', 'a']);
  });

  it('is forgotten at once when auth says that it changed, and whoever listens hears it after', async () => {
    // What is remembered for seconds is so however long this takes.
    later(0);
    const { organizationId, apiKeyId } = add('a');
    add('b');
    await principals.resolve('a');
    await principals.resolve('b');
    const heard = new Signal<PrincipalChange>();
    principals.onChange((change) => heard.fire(change));
    known.delete('a');
    world.auth.hint(authChanged, organizationId, { apiKeyId });
    expect(await heard.next()).toMatchObject({ organizationId, apiKeyId });
    expect(await principals.resolve('a')).toBeNull();
    expect((await principals.resolve('b'))?.apiKeyId).toBeDefined();
    expect(asked).toEqual(['a', 'b', 'a']);
  });

  it('is not remembered from before a change that came while it was asked', async () => {
    const { organizationId } = add('a');
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    const asking = principals.resolve('a');
    await eventually(() => asked.length === 1);
    const heard = new Signal<PrincipalChange>();
    principals.onChange((change) => heard.fire(change));
    known.delete('a');
    world.auth.hint(authChanged, organizationId, { apiKeyId: null });
    await heard.next();
    resolve();
    await asking;
    expect(await principals.resolve('a')).toBeNull();
  });

  it('is believed for ten minutes while auth cannot be asked, and no longer', async () => {
    add('a');
    await principals.resolve('a');
    await world.nats.kill();
    await eventually(() => !world.bus.isConnected);
    later(60_000);
    expect(await principals.resolve('a')).not.toBeNull();
    await expect(principals.resolve('never seen')).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
    });
    later(11 * 60_000);
    await expect(principals.resolve('a')).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });

  it('is asked anew after the bus was away: changes were not heard', async () => {
    add('a');
    await principals.resolve('a');
    const reconnected = new Signal();
    world.bus.onReconnect(() => reconnected.fire());
    await world.nats.kill();
    await eventually(() => !world.bus.isConnected);
    known.delete('a');
    await world.nats.start();
    await reconnected.next();
    await eventually(async () => expect(await principals.resolve('a')).toBeNull());
  });

  it('of a stranger is remembered for two seconds only', async () => {
    // What is remembered for seconds is so however long this takes.
    later(0);
    expect(await principals.resolve('x')).toBeNull();
    expect(await principals.resolve('x')).toBeNull();
    expect(asked).toEqual(['x']);
    add('x');
    later(2100);
    expect(await principals.resolve('x')).not.toBeNull();
  });

  it('ends with the key, without being asked', async () => {
    // What is remembered for seconds is so however long this takes.
    later(0);
    add('a', { keyExpiresAt: new Date(Date.now() + 1000).toISOString() });
    expect(await principals.resolve('a')).not.toBeNull();
    later(1100);
    expect(await principals.resolve('a')).toBeNull();
    expect(asked).toEqual(['a']);
  });

  it('of a ticket is never remembered', async () => {
    add('tkt_1');
    await principals.resolve('tkt_1');
    await principals.resolve('tkt_1');
    expect(asked).toEqual(['tkt_1', 'tkt_1']);
  });

  it('that is longer than any is nobody’s, and nobody is asked', async () => {
    expect(await principals.resolve('x'.repeat(8193))).toBeNull();
    expect(asked).toEqual([]);
  });
});
