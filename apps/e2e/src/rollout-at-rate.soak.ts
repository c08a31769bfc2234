/** Every process of every service is replaced while jobs come at a rate that leaves two cores little air. */
import { eventually } from '@spooled/testing';

import { Client } from './harness/client.js';
import { Fleet } from './harness/fleet.js';
import { Follower } from './harness/follower.js';
import { FrontDoor, openGrpcDoor } from './harness/front-door.js';
import { Ledger } from './harness/ledger.js';
import { World } from './harness/world.js';

const jobsPerSecond = 300;
const queues = Array.from({ length: 20 }, (_, index) => `rollout-${index + 1}`);
/** 200 in all: 4 over WebSocket, 4 over SSE and 2 over gRPC. */
const streamsOfAQueue = 10;
const pauseMs = (1_000 * queues.length) / jobsPerSecond;

describe('a rollout of every service, two processes each, at 300 jobs/s and 200 streams', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start('services', { replicas: 2 });
  });
  afterAll(() => world?.stop(), 60_000);

  it('fails no call, loses and repeats no job and no event, and ends streams with a word', async () => {
    const { key, client: direct } = await world.organization('rollout');
    const door = await FrontDoor.open(world.host);
    const grpc = await openGrpcDoor(world.host, '/events');
    const client = new Client(door, { authorization: `Bearer ${key}` });
    const loads = await Promise.all(
      queues.map(async (queue) => {
        const followers = await Promise.all(
          Array.from({ length: streamsOfAQueue }, (_, index) => {
            if (index < 4) return Follower.webSocket(door, key, queue);
            if (index < 8) return Follower.sse(door, key, queue);
            return Follower.grpc(grpc, key, { queue });
          }),
        );
        const ledger = new Ledger();
        const load = { queue, producers: 1, workers: 2, leaseSecs: 300, pauseMs };
        return { followers, ledger, fleet: new Fleet({ client, ledger, ...load }) };
      }),
    );
    const done = (): number => loads.reduce((sum, { ledger }) => sum + ledger.completedCount, 0);
    await eventually(() => expect(done()).toBeGreaterThan(jobsPerSecond));

    const [before, startedAt] = [done(), performance.now()];
    await world.host.rollOut();
    const seconds = (performance.now() - startedAt) / 1_000;
    const rate = (done() - before) / seconds;
    console.info(`${rate.toFixed(0)} jobs/s while 12 processes were replaced in ${seconds} s`);
    await Promise.all(loads.map(({ fleet }) => fleet.stopProducing()));
    await Promise.all(loads.map(({ ledger }) => ledger.settled(direct, 120_000)));
    await Promise.all(loads.map(({ fleet }) => fleet.stop()));

    for (const { fleet, ledger, followers } of loads) {
      expect(fleet.losses).toEqual([]);
      expect(fleet.faults).toEqual([]);
      expect(await ledger.violations(direct, followers)).toEqual([]);
      for (const { ends } of followers) {
        expect(ends.filter((end) => !['1001', 'ended', 'UNAVAILABLE'].includes(end))).toEqual([]);
      }
    }
    await Promise.all(
      loads.flatMap(({ followers }) => followers.map((follower) => follower.stop())),
    );
    expect(world.host.problems()).toEqual([]);
  }, 900_000);
});
