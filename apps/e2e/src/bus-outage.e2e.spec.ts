/** Story 5: NATS goes away for some seconds and comes back without its data. */
import { setTimeout as delay } from 'node:timers/promises';

import { eventually } from '@spooled/testing';

import { Fleet } from './harness/fleet.js';
import { Follower } from './harness/follower.js';
import { hostKinds } from './harness/host.js';
import { Ledger } from './harness/ledger.js';
import { World, type Organization } from './harness/world.js';

const outageMs = 7_000;

describe.each(hostKinds)('without NATS, on %s', (kind) => {
  let world: World;
  let organization: Organization;

  beforeAll(async () => {
    world = await World.start(kind);
    organization = await world.organization('bus-outage');
  });
  afterAll(() => world?.stop());

  it('works on, keeps the streams open, and delivers every event when NATS is back, empty', async () => {
    const { client } = organization;
    const ledger = new Ledger();
    const followers = [
      await Follower.webSocket(world.host, organization.key),
      await Follower.sse(world.host, organization.key),
    ];
    // A lease that outlasts the test: none ends but by a completion.
    const fleet = new Fleet({ client, ledger, queue: 'outage', leaseSecs: 3600 });
    await eventually(() => expect(ledger.completedCount).toBeGreaterThan(50));

    const outage = delay(outageMs);
    await world.nats.stop();
    const atStop = new Map(fleet.answers);
    await world.nats.wipe();
    // Every second of the outage sees enqueues and completions.
    for (let second = 1; second < outageMs / 1000; second++) {
      const [enqueued, completed] = [
        fleet.answered('enqueue', 201),
        fleet.answered('complete', 200),
      ];
      await eventually(() => {
        expect(fleet.answered('enqueue', 201)).toBeGreaterThan(enqueued + 5);
        expect(fleet.answered('complete', 200)).toBeGreaterThan(completed + 5);
      });
    }
    await outage;
    for (const base of world.host.bases()) {
      expect((await fetch(`${base}/health/ready`)).status).toBe(200);
    }
    expect(failures(fleet.answers, atStop)).toEqual({});
    await world.nats.start();

    const completed = ledger.completedCount;
    await eventually(() => expect(ledger.completedCount).toBeGreaterThan(completed + 50));
    await fleet.stopProducing();
    await ledger.settled(client);
    await fleet.stop();
    expect(await ledger.violations(client, followers)).toEqual([]);
    for (const follower of followers) expect(follower.connectionCount).toBe(1);
    await Promise.all(followers.map((follower) => follower.stop()));
  });

  it('streams live again after the outage', async () => {
    const follower = await Follower.sse(world.host, organization.key);
    const id = await organization.client.enqueue('after');
    await eventually(() =>
      expect(follower.seen().at(-1)?.event.data).toMatchObject({ job_id: id }),
    );
    await follower.stop();
  });
});

/** Answers since `before` other than success. */
function failures(
  answers: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, number>,
): Record<string, number> {
  const news = [...answers].map(
    ([name, count]) => [name, count - (before.get(name) ?? 0)] as const,
  );
  return Object.fromEntries(news.filter(([name, count]) => count > 0 && !/ 20[01]$/.test(name)));
}
