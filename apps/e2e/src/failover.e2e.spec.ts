/** The database's machine is lost under load, and its synchronous standby takes over. */
import { parseCursor } from '@spooled/contracts';
import { eventually } from '@spooled/testing';

import type { Client } from './harness/client.js';
import type { DatabasePair } from './harness/database-pair.js';
import { Fleet } from './harness/fleet.js';
import { Follower } from './harness/follower.js';
import { Ledger } from './harness/ledger.js';
import { World } from './harness/world.js';

describe('a failover of PostgreSQL', () => {
  let world: World;
  let pair: DatabasePair;
  let client: Client;
  let key: string;

  beforeAll(async () => {
    world = await World.start('services', { hasStandby: true });
    pair = world.databasePair;
    ({ client, key } = await world.organization('failover'));
  });
  afterAll(() => world?.stop());

  it('to the standby loses nothing that was acknowledged, and told nothing that is lost', async () => {
    const { host } = world;
    const ledger = new Ledger();
    const followers = await follow();
    const begin = followers[2]?.newestCursor();
    const fleet = new Fleet({ client, ledger, queue: 'failover', producers: 4, leaseSecs: 10 });
    await eventually(() => expect(ledger.completedCount).toBeGreaterThan(100));

    // The worst moment: commits are on the primary's disk, and the standby has not heard of them.
    pair.replication.silence();
    await eventually(async () => {
      // Those that waited already have been heard of.
      expect(await pair.unreplicatedBytes()).toBeGreaterThan(0);
      expect(await pair.waitingCommits()).toBeGreaterThan(0);
    });
    await pair.primary.kill();
    // A process of it that has not noticed yet reaches nobody.
    pair.line.takeDown();
    const refused = await client.post('/jobs', { queue_name: 'failover', payload: {} });
    refused.expectStatus(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);

    await pair.failOver();
    await goesOn(fleet, ledger, followers);
    // Numbers that the primary alone had given out were given out again, to other events: nobody had seen them.
    const late = await Follower.grpc(host.grpcAddress('/events'), key, begin);
    await eventually(() => expect(late.seen()).toHaveLength(followers[2]?.seen().length ?? 0));
    for (const follower of followers) {
      await eventually(() => expect(follower.seen()).toEqual(late.seen()));
    }
    const epochs = [begin, late.newestCursor()].map((cursor) => parseCursor(cursor ?? '')?.epoch);
    expect(epochs[1]).toBe(epochs[0]);
    await Promise.all([...followers, late].map((follower) => follower.stop()));
  });

  it('is noticed too when connections do not end but go silent', async () => {
    const ledger = new Ledger();
    const followers = await follow();
    const fleet = new Fleet({ client, ledger, queue: 'silence', producers: 4, leaseSecs: 10 });
    await eventually(() => expect(ledger.completedCount).toBeGreaterThan(100));
    pair.line.strand();
    await goesOn(fleet, ledger, followers);
    await Promise.all(followers.map((follower) => follower.stop()));
  });

  async function follow(): Promise<Follower[]> {
    const { host } = world;
    return [
      await Follower.webSocket(host, key),
      await Follower.sse(host, key),
      await Follower.grpc(host.grpcAddress('/events'), key),
    ];
  }

  /** Without a restart, and with no call that got another answer than "not now". */
  async function goesOn(fleet: Fleet, ledger: Ledger, followers: Follower[]): Promise<void> {
    const before = ledger.completedCount;
    await eventually(() => expect(ledger.completedCount).toBeGreaterThan(before + 50), {
      timeoutMs: 120_000,
    });
    await fleet.stopProducing();
    await ledger.settled(client);
    await fleet.stop();
    expect(fleet.losses).toEqual([]);
    expect(fleet.faults).toEqual([]);
    expect(await ledger.violations(client, followers)).toEqual([]);
    for (const { connectionCount } of followers) expect(connectionCount).toBe(1);
    for (const base of world.host.bases()) {
      await eventually(async () => expect((await fetch(`${base}/health/ready`)).ok).toBe(true));
    }
    expect(world.host.problems()).toEqual([]);
  }
});
