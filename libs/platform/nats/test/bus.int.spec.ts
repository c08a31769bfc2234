import { AppError, hint, rpc } from '@spooled/contracts';
import { createLogger } from '@spooled/telemetry';
import { eventually, natsServer, Signal } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { Bus } from '../src/index.js';

const double = rpc({
  subject: 'spooled.v1.rpc.test.double',
  request: z.object({ value: z.number() }),
  response: z.object({ result: z.number() }),
  timeoutMs: 60_000,
});
/** Whose answer may be larger than anything that the bus carries. */
const huge = rpc({
  subject: 'spooled.v1.rpc.test.huge',
  request: z.object({ value: z.number() }),
  response: z.object({ text: z.string() }),
  timeoutMs: 1000,
});
const slow = rpc({
  subject: 'spooled.v1.rpc.test.slow',
  request: z.object({}),
  response: z.object({}),
  timeoutMs: 200,
});
const changed = hint({
  subject: 'spooled.v1.hint.test',
  payload: z.object({ name: z.string() }),
});
const organizationId = randomUUID();

let nats: Awaited<ReturnType<typeof natsServer>>;
const open: Bus[] = [];

async function bus(): Promise<Bus> {
  const made = new Bus(
    { NATS_URL: nats.url, SERVICE_NAME: 'test' },
    createLogger('test', 'silent'),
  );
  open.push(made);
  await made.onModuleInit();
  return made;
}

beforeEach(async () => {
  nats = await natsServer();
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.onApplicationShutdown();
  await nats.stop();
});

describe('a question', () => {
  it('is answered by exactly one of several instances', async () => {
    const answered: number[] = [];
    for (const instance of [1, 2, 3]) {
      const service = await bus();
      service.respond(double, async ({ value }) => {
        answered.push(instance);
        return { result: value * 2 };
      });
      await service.connection.flush();
    }
    const caller = await bus();
    await eventually(async () => expect(await caller.request(double, { value: 1 })).toBeDefined());
    answered.length = 0;
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, value) => caller.request(double, { value })),
    );
    expect(answers.map(({ result }) => result)).toEqual(
      Array.from({ length: 30 }, (_, value) => value * 2),
    );
    expect(answered).toHaveLength(30);
    expect(new Set(answered).size).toBeGreaterThan(1);
  });

  it('comes back with the error that the service threw, and nothing of what broke inside it', async () => {
    const [service, caller] = [await bus(), await bus()];
    service.respond(double, async ({ value }) => {
      if (value === 1) {
        throw new AppError('QUOTA_EXCEEDED', 'Full.', { extra: { limit: 5 }, retryAfterSecs: 9 });
      }
      throw new Error('select secrets');
    });
    await eventually(() =>
      expect(caller.request(double, { value: 1 })).rejects.toMatchObject({
        code: 'QUOTA_EXCEEDED',
        message: 'Full.',
        extra: { limit: 5 },
        retryAfterSecs: 9,
      }),
    );
    const failure = await caller.request(double, { value: 2 }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'INTERNAL_ERROR' });
    expect(String(failure)).not.toContain('secrets');
  });

  it('that nobody answers is SERVICE_UNAVAILABLE: at once when nobody listens, else at the deadline', async () => {
    const [service, caller] = [await bus(), await bus()];
    const startedAt = performance.now();
    await expect(caller.request(double, { value: 1 })).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
    });
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    const asked = new Signal();
    service.respond(slow, () => {
      asked.fire();
      return new Promise(() => undefined);
    });
    await eventually(async () => {
      await expect(caller.request(slow, {})).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
      expect(asked.waiting).toBeGreaterThan(0);
    });
  });

  it('or an answer of the wrong shape is refused before it can do harm', async () => {
    const [service, caller] = [await bus(), await bus()];
    service.respond(double, async () => ({ result: 'text' }) as unknown as { result: number });
    await expect(
      caller.request(double, { value: 'x' } as unknown as { value: number }),
    ).rejects.toThrow();
    await eventually(() =>
      expect(caller.request(double, { value: 1 })).rejects.toMatchObject({
        code: 'INTERNAL_ERROR',
      }),
    );
  });

  it('whose answer the bus cannot carry is not answered, and the service lives on', async () => {
    const [service, caller] = [await bus(), await bus()];
    service.respond(huge, async ({ value }) => ({ text: 'x'.repeat(value) }));
    await eventually(async () => expect(await caller.request(huge, { value: 1 })).toBeDefined());
    await expect(caller.request(huge, { value: 9_000_000 })).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
    });
    await eventually(async () =>
      expect(await caller.request(huge, { value: 2 })).toEqual({ text: 'xx' }),
    );
  });
});

describe('a hint', () => {
  it('reaches every instance, its sender included, with the organization', async () => {
    const instances = [await bus(), await bus()];
    const heard = instances.map((one) => {
      const signal = new Signal<string>();
      one.onHint(changed, ({ name }, organization) => signal.fire(`${organization} ${name}`));
      return signal;
    });
    await instances[1]!.connection.flush();
    instances[0]!.hint(changed, organizationId, { name: 'x' });
    for (const signal of heard) expect(await signal.next()).toBe(`${organizationId} x`);
  });

  it('of an organization nobody wants to hear of is not even read', async () => {
    const [one, two] = [await bus(), await bus()];
    const heard = new Signal<string>();
    const hear = ({ name }: { name: string }): void => heard.fire(name);
    one.onHint(changed, hear, (organization) => organization === organizationId);
    await one.connection.flush();
    two.hint(changed, randomUUID(), { name: 'unwanted' });
    two.hint(changed, organizationId, { name: 'wanted' });
    expect(await heard.next()).toBe('wanted');
    expect(heard.waiting).toBe(0);
  });

  it('tells each instance from the others, by the same name every time', async () => {
    const [one, ...others] = [await bus(), await bus(), await bus()] as const;
    const heard = new Signal<string>();
    one.onBroadcast(changed, (_, sender) => heard.fire(sender));
    await one.connection.flush();
    const senders = [];
    for (const other of [...others, ...others]) {
      other.broadcast(changed, { name: 'x' });
      senders.push(await heard.next());
    }
    expect(senders.slice(2)).toEqual(senders.slice(0, 2));
    expect(new Set(senders).size).toBe(2);
  });

  it('that is not understood is passed over, and so is one whose listener throws', async () => {
    const [one, two] = [await bus(), await bus()];
    const heard = new Signal<string>();
    one.onHint(changed, ({ name }) => {
      if (name === 'throw') throw new Error('boom');
      heard.fire(name);
    });
    await one.connection.flush();
    const subject = `${changed.subject}.${organizationId}`;
    for (const text of ['', '{', '[]', '{"name":5}', '{"name":"throw"}', '{"name":"good"}']) {
      two.connection.publish(subject, text);
    }
    expect(await heard.next()).toBe('good');
    expect(heard.waiting).toBe(0);
    expect(one.isConnected).toBe(true);
  });

  it('is dropped without a bus', async () => {
    const one = await bus();
    await nats.kill();
    await eventually(() => !one.isConnected);
    one.hint(changed, organizationId, { name: 'lost' });
  });
});

describe('a broadcast', () => {
  it('reaches every other instance, and not its sender', async () => {
    const instances = [await bus(), await bus(), await bus()];
    const heard = instances.map((one) => {
      const signal = new Signal<string>();
      one.onBroadcast(changed, ({ name }) => signal.fire(name));
      return signal;
    });
    for (const one of instances) await one.connection.flush();
    expect(instances[0]!.broadcast(changed, { name: 'first' })).toBe(true);
    expect(await heard[1]!.next()).toBe('first');
    expect(await heard[2]!.next()).toBe('first');
    expect(instances[1]!.broadcast(changed, { name: 'second' })).toBe(true);
    expect(await heard[0]!.next()).toBe('second');
    // Had its own come back, it would have come before the answer to this.
    await instances[1]!.connection.flush();
    expect(heard[1]!.waiting).toBe(0);
  });

  it('that is not understood is passed over, and is lost without a bus', async () => {
    const [one, two] = [await bus(), await bus()];
    const heard = new Signal<string>();
    one.onBroadcast(changed, ({ name }) => heard.fire(name));
    await one.connection.flush();
    for (const text of ['', '{', '[]', '{"name":5}', '{"name":"good"}']) {
      two.connection.publish(`${changed.subject}.somebody`, text);
    }
    expect(await heard.next()).toBe('good');
    await nats.kill();
    await eventually(() => !one.isConnected);
    expect(one.broadcast(changed, { name: 'lost' })).toBe(false);
  });
});

describe('a subscription', () => {
  it('ends when it is told to', async () => {
    const [one, two] = [await bus(), await bus()];
    const heard = new Signal();
    const end = one.subscribe('test.subject', () => heard.fire());
    await one.connection.flush();
    two.connection.publish('test.subject');
    await heard.next();
    end();
    await one.connection.flush();
    two.connection.publish('test.subject');
    await two.connection.flush();
    await one.connection.flush();
    expect(heard.waiting).toBe(0);
  });
});

describe('a bus that goes away', () => {
  it('is a state: questions fail at once, and everything is back when it is back', async () => {
    const [service, caller] = [await bus(), await bus()];
    const reconnected = new Signal();
    caller.onReconnect(() => reconnected.fire());
    const heard = new Signal<string>();
    caller.onHint(changed, ({ name }) => heard.fire(name));
    service.respond(double, async ({ value }) => ({ result: value * 2 }));
    await eventually(async () => expect(await caller.request(double, { value: 1 })).toBeDefined());

    await nats.kill();
    await eventually(() => !caller.isConnected && !service.isConnected);
    const startedAt = performance.now();
    await expect(caller.request(double, { value: 1 })).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      retryAfterSecs: 1,
    });
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect(() => caller.connection).toThrow(
      expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }),
    );

    await nats.start();
    await reconnected.next();
    await eventually(async () =>
      expect(await caller.request(double, { value: 4 })).toEqual({ result: 8 }),
    );
    service.hint(changed, organizationId, { name: 'back' });
    expect(await heard.next()).toBe('back');
  });

  it('may be away from the start, and is found when it comes', async () => {
    await nats.kill();
    const starting = bus();
    const late = await starting;
    expect(late.isConnected).toBe(false);
    const heard = new Signal();
    late.onHint(changed, () => heard.fire());
    await nats.start();
    await eventually(() => late.isConnected);
    late.hint(changed, organizationId, { name: 'x' });
    await heard.next();
  });

  it('leaves no timer behind that would keep the process alive', async () => {
    const timers = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const known = await bus();
    await nats.kill();
    // At any moment: perhaps the loss was not noticed yet.
    await known.onApplicationShutdown();
    const unborn = bus();
    await unborn;
    await (await unborn).onApplicationShutdown();
    await eventually(() => expect(timers()).toBeLessThanOrEqual(before));
  });

  it('does not hold up a stop', async () => {
    const one = await bus();
    await nats.kill();
    const startedAt = performance.now();
    await one.onApplicationShutdown();
    expect(performance.now() - startedAt).toBeLessThan(30_000);
  });
});
