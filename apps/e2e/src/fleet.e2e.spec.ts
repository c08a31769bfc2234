/** Story 3: a fleet of producers and workers, with failures, cancels, lost leases and lost connections. */
import { eventually } from '@spooled/testing';

import { Fleet } from './harness/fleet.js';
import { Follower } from './harness/follower.js';
import { hostKinds } from './harness/host.js';
import { Ledger } from './harness/ledger.js';
import { World, type Organization } from './harness/world.js';

describe.each(hostKinds)('a fleet, on %s', (kind) => {
  let world: World;
  let organization: Organization;
  let neighbour: Organization;

  beforeAll(async () => {
    world = await World.start(kind);
    organization = await world.organization('fleet');
    neighbour = await world.organization('neighbour');
  });
  afterAll(() => world?.stop());

  it('completes, retries, buries and cancels what it should, in sight of its organization only', async () => {
    const { client } = organization;
    const ledger = new Ledger();
    const followers = [
      await Follower.webSocket(world.host, organization.key),
      await Follower.sse(world.host, organization.key),
    ];
    const stranger = await Follower.webSocket(world.host, neighbour.key);

    const stalling = stallWithALease(ledger);
    // With a budget of two retries: every 10th job fails once, every 25th for good.
    const failures = (number: number): number =>
      number % 25 === 24 ? 3 : number % 10 === 9 ? 1 : 0;
    const fleet = new Fleet({ client, ledger, queue: 'fleet', producers: 4, failures });
    await eventually(() => expect(ledger.acknowledged.size).toBeGreaterThan(60));
    for (const follower of followers) follower.cut();
    const cancelled = await cancelSome();
    ledger.acknowledge(...cancelled);
    await raceCancelWithWorkers(ledger);
    await eventually(() => expect(ledger.acknowledged.size).toBeGreaterThan(200));
    for (const follower of followers) follower.cut();
    await fleet.stopProducing();
    await stalling;
    await ledger.settled(client);
    await fleet.stop();

    expect(await ledger.violations(client, followers)).toEqual([]);
    for (const follower of followers) expect(follower.connectionCount).toBeGreaterThan(1);
    const statuses = await client.statuses([...ledger.acknowledged]);
    for (const id of cancelled) expect(statuses.get(id)?.status).toBe('cancelled');
    const buried = [...statuses.values()].filter(({ status }) => status === 'deadletter');
    expect(buried.length).toBeGreaterThan(0);
    expect(new Set(buried.map(({ retry_count }) => retry_count))).toEqual(new Set([2]));
    expect(fleet.answered('fail', 200)).toBeGreaterThan(buried.length * 3);

    await neighbour.client.enqueue('fleet');
    await eventually(() => expect(stranger.seen()).toHaveLength(1));
    expect(ledger.foreignEvents(stranger)).toEqual([]);
    await Promise.all([...followers, stranger].map((follower) => follower.stop()));
  });

  it("shows another organization's jobs as unknown", async () => {
    const id = await organization.client.enqueue('private');
    const { client } = neighbour;
    (await client.get(`/jobs/${id}`)).expectStatus(404);
    (await client.delete(`/jobs/${id}`)).expectStatus(404);
    (await client.post(`/jobs/${id}/complete`, { worker_id: 'thief' })).expectStatus(404);
    expect((await client.statuses([id])).size).toBe(0);
    expect(await client.claim('private', { worker_id: 'thief' })).toEqual([]);
    expect((await organization.client.job(id)).status).toBe('pending');
  });

  /** I3: a worker that sleeps through its lease finds the job taken over, and its late completion refused. */
  async function stallWithALease(ledger: Ledger): Promise<void> {
    const { client } = organization;
    const id = await client.enqueue('stalling', { max_retries: 1 });
    ledger.acknowledge(id);
    const [lost] = await client.claim('stalling', { worker_id: 'sleeper', lease_duration_secs: 5 });
    const held = await eventually(
      async () =>
        (await client.claim('stalling', { worker_id: 'successor', lease_duration_secs: 30 }))[0] ??
        false,
      { intervalMs: 100 },
    );
    if (!held) throw new Error('unreachable: eventually has waited for it');
    expect(held).toMatchObject({ id, retry_count: 1 });
    for (const workerId of ['sleeper', 'successor']) {
      const late = { worker_id: workerId, lease_id: lost?.lease_id };
      const { status } = await client.post(`/jobs/${id}/complete`, late);
      ledger.refuseStale(id, status);
    }
    const good = { worker_id: 'successor', lease_id: held.lease_id };
    (await client.post(`/jobs/${id}/complete`, good)).expectStatus(200);
    ledger.accept(id, held.lease_id);
    ledger.refuseStale(id, (await client.post(`/jobs/${id}/complete`, good)).status);
  }

  async function cancelSome(): Promise<string[]> {
    const { client } = organization;
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    const ids = await Promise.all(
      [undefined, tomorrow, undefined, tomorrow].map((scheduled_at) =>
        client.enqueue('cancelled', { scheduled_at }),
      ),
    );
    for (const id of ids) {
      (await client.delete(`/jobs/${id}`)).expectStatus(204);
      (await client.delete(`/jobs/${id}`)).expectStatus(409);
    }
    return ids;
  }

  /** Whoever wins, each job has one end; the loser is told so. */
  async function raceCancelWithWorkers(ledger: Ledger): Promise<void> {
    const { client } = organization;
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const id = await client.enqueue('fleet', { payload: { failures: 0 } });
        ledger.acknowledge(id);
        expect([204, 409]).toContain((await client.delete(`/jobs/${id}`)).status);
      }),
    );
  }
});
