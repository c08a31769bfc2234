import { eventually } from '@spooled/testing';
import { World } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

describe('the gauges of workers', () => {
  async function expectGauges(active: number, healthy: number): Promise<void> {
    await eventually(async () =>
      expect([
        await world.metric('spooled_workers_active'),
        await world.metric('spooled_workers_healthy'),
      ]).toEqual([active, healthy]),
    );
  }

  it('follow what is stored, over all organizations', async () => {
    await expectGauges(0, 0);
    const [one, other] = [world.key(), world.key()];
    const ids = [
      await world.register(one.credential),
      await world.register(one.credential),
      await world.register(one.credential),
    ];
    const foreign = await world.register(other.credential);
    await expectGauges(4, 4);
    await world.beat(one.credential, ids[0]!, { status: 'degraded' });
    await world.beat(one.credential, ids[1]!, { status: 'draining' });
    await expectGauges(4, 2);
    await world.call(one.credential, 'POST', `/workers/${ids[1]!}/deregister`);
    await expectGauges(3, 2);
    await world.call(other.credential, 'POST', `/workers/${foreign}/deregister`);
    await expectGauges(2, 1);
    // Silence and changes past this process count like any other.
    await world.silence(ids[2]!, 121);
    await expectGauges(1, 0);
    await world.owner.query('delete from workers.worker');
    await expectGauges(0, 0);
  });
});
