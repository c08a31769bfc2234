/** Every process of every service is replaced under load, one after the other, and nobody loses anything by it. */
import { Traffic } from './harness/traffic.js';
import { World } from './harness/world.js';

describe('a rollout of every service, two processes each', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start('services', { replicas: 2 });
  });
  afterAll(() => world?.stop());

  it('fails no call, loses and repeats no job and no event, and ends streams with a word', async () => {
    const organization = await world.organization('rollout');
    const load = { queue: 'rollout', producers: 12, workers: 24, streamsOfAKind: 12 };
    const traffic = await Traffic.start(world, organization, load);
    await world.host.rollOut({ onStarting: traffic.beCalm });
    await traffic.flows();

    expect(await traffic.end()).toEqual([]);
    expect(world.host.problems()).toEqual([]);
  }, 600_000);
});
