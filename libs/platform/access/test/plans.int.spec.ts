import { authChanged, authRpc, plans as table, type PlanLimits } from '@spooled/contracts';
import { eventually, Signal } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { Plans } from '../src/index.js';
import { later, World } from './setup.js';

let world: World;
let plans: Plans;
/** What auth knows, and what it was asked, question by question. */
const known = new Map<string, PlanLimits>();
const asked: string[][] = [];
let gate: Promise<void> = Promise.resolve();

beforeEach(async () => {
  world = await World.setup();
  world.auth.respond(authRpc.plans, async ({ organizationIds }) => {
    asked.push(organizationIds);
    const organizations = organizationIds.flatMap((organizationId) => {
      const plan = known.get(organizationId);
      return plan === undefined ? [] : [{ organizationId, plan }];
    });
    await gate;
    return { organizations };
  });
  plans = new Plans(world.bus);
  plans.onModuleInit();
  await world.flush();
  known.clear();
  asked.length = 0;
  gate = Promise.resolve();
});
afterEach(() => world.stop());

function organization(plan: PlanLimits = table.free): string {
  const id = randomUUID();
  known.set(id, plan);
  return id;
}

/** Says that something changed, and waits until the other end heard it. */
async function announce(organizationId: string, apiKeyId: string | null = null): Promise<void> {
  const heard = new Signal();
  world.bus.onHint(authChanged, (_payload, organization) => {
    if (organization === organizationId) heard.fire();
  });
  await world.flush();
  world.auth.hint(authChanged, organizationId, { apiKeyId });
  await heard.next();
}

describe('the plan of an organization', () => {
  it('is what auth says', async () => {
    const custom = { ...table.starter, max_queues: null, job_retention_days: 0.5 };
    const [free, own] = [organization(), organization(custom)];
    expect(await plans.of(free)).toEqual(table.free);
    expect(await plans.of(own)).toEqual(custom);
  });

  it.each([
    ['that nobody has', '01970000-0000-7000-8000-000000000000', 1],
    ['that is none', 'not-an-id', 0],
  ])('of an id %s is null', async (_what, id, questions) => {
    expect(await plans.of(id)).toBeNull();
    expect(asked).toHaveLength(questions);
  });

  it('is asked once for many who ask at once, and for those of the next seconds', async () => {
    // What is remembered for seconds is so however long this takes.
    later(0);
    const id = organization();
    await Promise.all(Array.from({ length: 20 }, () => plans.of(id)));
    await plans.of(id);
    expect(asked).toEqual([[id]]);
    later(4900);
    await plans.of(id);
    expect(asked).toHaveLength(1);
    later(5100);
    await plans.of(id);
    expect(asked).toEqual([[id], [id]]);
  });

  it('is forgotten at once when auth says that the organization changed', async () => {
    // What is remembered for seconds is so however long this takes.
    later(0);
    const [changed, other] = [organization(), organization()];
    await plans.many([changed, other]);
    known.set(changed, table.pro);
    known.set(other, table.pro);
    await announce(changed);
    expect(await plans.of(changed)).toEqual(table.pro);
    expect(await plans.of(other)).toEqual(table.free);
    known.delete(changed);
    await announce(changed);
    expect(await plans.of(changed)).toBeNull();
  });

  it('is not forgotten for the change of a key', async () => {
    // What is remembered for seconds is so however long this takes.
    later(0);
    const id = organization();
    await plans.of(id);
    await announce(id, randomUUID());
    await plans.of(id);
    expect(asked).toHaveLength(1);
  });

  it('is not remembered from before a change that came while it was asked', async () => {
    const id = organization();
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    const asking = plans.of(id);
    await eventually(() => asked.length === 1);
    known.set(id, table.pro);
    await announce(id);
    resolve();
    expect(await asking).toEqual(table.free);
    expect(await plans.of(id)).toEqual(table.pro);
  });

  it('is believed for ten minutes while auth cannot be asked, and no longer', async () => {
    const [id, stranger] = [organization(), organization()];
    await plans.of(id);
    await world.nats.kill();
    await eventually(() => !world.bus.isConnected);
    later(60_000);
    expect(await plans.of(id)).toEqual(table.free);
    expect(await plans.many([id])).toEqual(new Map([[id, table.free]]));
    await expect(plans.of(stranger)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    await expect(plans.many([id, stranger])).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    later(11 * 60_000);
    await expect(plans.of(id)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });

  it('is asked anew after the bus was away: changes were not heard', async () => {
    const id = organization();
    await plans.of(id);
    const reconnected = new Signal();
    world.bus.onReconnect(() => reconnected.fire());
    await world.nats.kill();
    await eventually(() => !world.bus.isConnected);
    known.set(id, table.pro);
    await world.nats.start();
    await reconnected.next();
    await eventually(async () => expect(await plans.of(id)).toEqual(table.pro));
  });
});

describe('the plans of many', () => {
  it('leave out who does not exist, name each once, and take any number', async () => {
    const [free, pro] = [organization(), organization(table.pro)];
    const unknown = randomUUID();
    expect(await plans.many([free, pro, unknown, free, 'not-an-id'])).toEqual(
      new Map([
        [free, table.free],
        [pro, table.pro],
      ]),
    );
    expect(asked).toEqual([[free, pro, unknown]]);
    expect(await plans.many([])).toEqual(new Map());
    expect(asked).toHaveLength(1);
  });

  it('are asked in questions of at most a thousand, only of those not known', async () => {
    // What is remembered for seconds is so however long this takes.
    later(0);
    const ids = Array.from({ length: 2500 }, () => organization());
    await plans.of(ids[0]!);
    const found = await plans.many(ids);
    expect(found.size).toBe(2500);
    expect(asked.map((question) => question.length)).toEqual([1, 1000, 1000, 499]);
  });

  it('share one question with whoever asks in the same moment', async () => {
    const [one, two, three] = [organization(), organization(), organization()];
    await Promise.all([plans.of(one), plans.many([two, three]), plans.of(two)]);
    expect(asked).toEqual([[one, two, three]]);
  });
});
