/** Story 4: kill -9 in the middle of load loses no acknowledged job and no event. */
import { eventually } from '@spooled/testing';

import { Fleet } from './harness/fleet.js';
import { Follower } from './harness/follower.js';
import { hostKinds } from './harness/host.js';
import { Ledger } from './harness/ledger.js';
import { World, type Organization } from './harness/world.js';

describe.each(hostKinds)('a crash, on %s', (kind) => {
  let world: World;
  let organization: Organization;

  beforeAll(async () => {
    world = await World.start(kind);
    organization = await world.organization('crash');
  });
  afterAll(() => world?.stop());

  it('loses no acknowledged job and no event, and completes nothing twice', async () => {
    const { client } = organization;
    const ledger = new Ledger();
    const followers = [
      await Follower.webSocket(world.host, organization.key),
      await Follower.sse(world.host, organization.key),
    ];
    const fleet = new Fleet({ client, ledger, queue: 'crash', producers: 8 });
    for (let crash = 1; crash <= 2; crash++) {
      const before = ledger.completedCount;
      await eventually(() => expect(ledger.completedCount).toBeGreaterThan(before + 100));
      await world.host.killJobs();
      await world.host.restartJobs();
    }
    const after = ledger.completedCount;
    await eventually(() => expect(ledger.completedCount).toBeGreaterThan(after + 50));
    await fleet.stopProducing();
    await ledger.settled(client);
    await fleet.stop();

    expect(await ledger.violations(client, followers)).toEqual([]);
    // With everything in one process the streams broke too, and resumed.
    for (const follower of followers) {
      expect(follower.connectionCount).toBe(kind === 'standalone' ? 3 : 1);
    }
    await Promise.all(followers.map((follower) => follower.stop()));
  });
});
