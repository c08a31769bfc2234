import { schedulesRpc } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { World } from './setup.js';

let world: World;

beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

describe('schedules.forget-organization', () => {
  it('leaves no schedule and no run of the organization, and keeps those of others', async () => {
    const [own, other] = [world.key(), world.key()];
    for (const { credential } of [own, other]) {
      const id = await world.make(credential);
      await world.call(credential, 'POST', `/schedules/${id}/trigger`);
    }
    // More than one batch.
    await world.makeMany(own.organizationId, 2500);
    const forget = () =>
      world.others.request(schedulesRpc.forgetOrganization, {
        organizationId: own.organizationId,
      });
    // Whoever has not enough time for all of it is asked again.
    await eventually(async () => expect(await forget()).toEqual({ isDone: true }));
    for (const table of ['schedule', 'run', 'feeder']) {
      const left = async (organizationId: string) => {
        const values = [organizationId];
        const text = `select from schedules.${table} where organization_id = $1`;
        return (await world.owner.query(text, values)).rowCount;
      };
      expect([table, await left(own.organizationId)]).toEqual([table, 0]);
      expect([table, await left(other.organizationId)]).toEqual([table, 1]);
    }
    expect(await forget()).toEqual({ isDone: true });
  });
});
