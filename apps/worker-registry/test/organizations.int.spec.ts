import { workersRpc } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { World } from './setup.js';

let world: World;

beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

describe('workers.forget-organization', () => {
  it('leaves no worker of the organization, gives its ids back, and keeps the others', async () => {
    const [own, other] = [world.key(), world.key()];
    const worker_id = randomUUID();
    await world.register(own.credential, { worker_id });
    await world.register(own.credential);
    const kept = await world.register(other.credential);
    const forget = () =>
      world.others.request(workersRpc.forgetOrganization, { organizationId: own.organizationId });
    // Whoever has not enough time for all of it is asked again.
    await eventually(async () => expect(await forget()).toEqual({ isDone: true }));
    for (const table of ['worker', 'worker_owner']) {
      const { rowCount } = await world.owner.query(
        `select from workers.${table} where organization_id = $1`,
        [own.organizationId],
      );
      expect([table, rowCount]).toEqual([table, 0]);
    }
    expect(await world.statusOf(other.credential, kept)).toBe('healthy');
    expect(await world.register(other.credential, { worker_id })).toBe(worker_id);
    expect(await forget()).toEqual({ isDone: true });
  });
});

describe('the counts that the administrator reads', () => {
  it('are those of each organization, as its plan counts', async () => {
    const [one, two] = [world.key(), world.key()];
    await world.register(one.credential);
    const draining = await world.register(one.credential);
    await world.beat(one.credential, draining, { status: 'draining' });
    const degraded = await world.register(one.credential);
    await world.beat(one.credential, degraded, { status: 'degraded' });
    const organizationIds = [one.organizationId, two.organizationId];
    const { organizations } = await world.others.request(workersRpc.usages, { organizationIds });
    expect(organizations).toHaveLength(2);
    expect(organizations).toEqual(
      expect.arrayContaining([
        { organizationId: one.organizationId, workers: 2 },
        { organizationId: two.organizationId, workers: 0 },
      ]),
    );
  });

  it('and those of all together', async () => {
    const ask = () => world.others.request(workersRpc.platform, {});
    const before = await ask();
    const { credential } = world.key();
    await world.register(credential);
    await world.register(world.key().credential);
    const report = async (status: string): Promise<void> => {
      const id = await world.register(credential);
      await world.beat(credential, id, { status });
    };
    await report('degraded');
    await report('draining');
    const left = await world.register(credential);
    await world.call(credential, 'POST', `/workers/${left}/deregister`);
    expect(await ask()).toEqual({
      total: before.total + 4,
      healthy: before.healthy + 2,
      degraded: before.degraded + 1,
    });
  });
});
