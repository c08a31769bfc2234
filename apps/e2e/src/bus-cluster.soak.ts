/** Three nats-servers keep the stream: each of them is killed under load, whoever leads, and one comes back empty. */
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { EVENT_STREAM } from '@spooled/contracts';
import { eventually } from '@spooled/testing';

import { Fleet } from './harness/fleet.js';
import { Follower } from './harness/follower.js';
import { Ledger } from './harness/ledger.js';
import { World } from './harness/world.js';

const healthy = expect.objectContaining({ current: true });

describe('a cluster of three nats-servers', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start('standalone', { hasNatsCluster: true });
  });
  afterAll(() => world?.stop(), 30_000);

  it('loses any one of them, and confirms events with the two others', async () => {
    const { client, key } = await world.organization('bus-cluster');
    const { host, natsServers } = world;
    const ledger = new Ledger();
    const followers = [
      await Follower.webSocket(host, key),
      await Follower.sse(host, key),
      await Follower.grpc(host.grpcAddress('/events'), key),
    ];
    const fleet = new Fleet({ client, ledger, queue: 'cluster' });
    await confirmMore(ledger);
    // All three, one after the other: so the leader is among them, whichever it is.
    for (const [index, server] of natsServers.entries()) {
      const killedAt = performance.now();
      await server.kill();
      await confirmMore(ledger);
      const recoveryMs = performance.now() - killedAt;
      console.info(`without server ${index + 1}: as before after ${recoveryMs.toFixed(0)} ms`);
      if (index === 1) await server.wipe();
      await server.start();
      await caughtUp();
      await confirmMore(ledger);
    }
    await fleet.stopProducing();
    await ledger.settled(client);
    await fleet.stop();

    expect(fleet.losses).toEqual([]);
    expect(fleet.faults).toEqual([]);
    expect(await ledger.violations(client, followers)).toEqual([]);
    for (const { connectionCount } of followers) expect(connectionCount).toBe(1);
    await Promise.all(followers.map((follower) => follower.stop()));
  }, 900_000);

  /** Waits until work goes on, the stream confirms what is told of it, and nothing is left from before. */
  async function confirmMore(ledger: Ledger): Promise<void> {
    const completed = ledger.completedCount;
    const confirmed = await metric('spooled_event_batches_published_total{outcome="confirmed"}');
    await eventually(
      async () => {
        expect(ledger.completedCount).toBeGreaterThan(completed + 30);
        expect(
          await metric('spooled_event_batches_published_total{outcome="confirmed"}'),
        ).toBeGreaterThan(confirmed + 30);
        expect(await metric('spooled_event_publish_lag_seconds')).toBeLessThan(1);
      },
      { intervalMs: 100, timeoutMs: 60_000 },
    );
  }

  /** Waits until all three have the whole stream: until then, the next to go may be one too many. */
  async function caughtUp(): Promise<void> {
    const connection = await connect({ servers: world.natsServers.map(({ url }) => url) });
    try {
      const { streams } = await jetstreamManager(connection, { checkAPI: false });
      await eventually(
        async () => {
          const { cluster } = await streams.info(EVENT_STREAM);
          expect(cluster?.replicas).toHaveLength(2);
          expect(cluster?.replicas).toEqual([healthy, healthy]);
        },
        { intervalMs: 100, timeoutMs: 200_000 },
      );
    } finally {
      await connection.close();
    }
  }

  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${world.host.base()}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    return Number(line?.slice(name.length) ?? 0);
  }
});
