/** Story 6: PostgreSQL crashes and stays away for some seconds. */
import { setTimeout as delay } from 'node:timers/promises';

import { eventually } from '@spooled/testing';

import { Fleet } from './harness/fleet.js';
import { Follower } from './harness/follower.js';
import { hostKinds } from './harness/host.js';
import { Ledger } from './harness/ledger.js';
import { World, type Organization } from './harness/world.js';

/** Longer than what is known of a key is taken for granted. */
const outageMs = 7_000;

describe.each(hostKinds)('without PostgreSQL, on %s', (kind) => {
  let world: World;
  let organization: Organization;

  beforeAll(async () => {
    world = await World.start(kind, { hasOwnPostgres: true });
    organization = await world.organization('database-outage');
  });
  afterAll(() => world?.stop());

  it('says so with 503, and recovers by itself without losing what it acknowledged', async () => {
    const { client } = organization;
    const { host, postgres } = world;
    const ledger = new Ledger();
    const followers = [
      await Follower.webSocket(host, organization.key),
      await Follower.sse(host, organization.key),
    ];
    const fleet = new Fleet({ client, ledger, queue: 'outage' });
    await eventually(() => expect(ledger.completedCount).toBeGreaterThan(50));

    const outage = delay(outageMs);
    await postgres.stop('immediate');
    await eventually(async () => {
      for (const base of databaseUsers()) {
        expect((await fetch(`${base}/health/ready`)).status).toBe(503);
      }
    });
    for (const base of host.bases()) {
      expect((await fetch(`${base}/health/live`)).status).toBe(200);
    }
    const refused = await client.post('/jobs', { queue_name: 'outage', payload: {} });
    refused.expectStatus(503);
    expect(refused.body).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    await outage;
    // Also after what the key's cache remembers: nobody is told that a good key is bad.
    (await client.post('/jobs', { queue_name: 'outage', payload: {} })).expectStatus(503);
    expect(host.problems()).toEqual([]);

    await postgres.start();
    await eventually(async () => {
      for (const base of databaseUsers())
        expect((await fetch(`${base}/health/ready`)).ok).toBe(true);
    });
    const completed = ledger.completedCount;
    await eventually(() => expect(ledger.completedCount).toBeGreaterThan(completed + 50));
    await fleet.stopProducing();
    await ledger.settled(client);
    await fleet.stop();
    expect(await ledger.violations(client, followers)).toEqual([]);
    for (const follower of followers) expect(follower.connectionCount).toBe(1);
    expect(fleet.faults).toEqual([]);
    expect(fleet.answered('enqueue', 'lost')).toBe(0);
    await Promise.all(followers.map((follower) => follower.stop()));
  });

  /** The realtime gateway owns no table: it stays ready. */
  function databaseUsers(): string[] {
    return world.host
      .bases()
      .filter((base) => base !== world.host.base('/ws') || kind === 'standalone');
  }
});
