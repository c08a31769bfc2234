/** Every process of every service is replaced under load, one after the other, and nobody loses anything by it. */
import { eventually } from '@spooled/testing';

import { Client } from './harness/client.js';
import { Fleet } from './harness/fleet.js';
import { Follower } from './harness/follower.js';
import { FrontDoor, openGrpcDoor } from './harness/front-door.js';
import { Ledger } from './harness/ledger.js';
import { World } from './harness/world.js';

const streamsOfAKind = 12;
/** A read of each service that the load itself does not call. */
const reads = ['/organizations', '/schedules', '/workers', '/outgoing-webhooks'];

describe('a rollout of every service, two processes each', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start('services', { replicas: 2 });
  });
  afterAll(() => world?.stop(), 60_000);

  it('fails no call, loses and repeats no job and no event, and ends streams with a word', async () => {
    const { key } = await world.organization('rollout');
    const door = await FrontDoor.open(world.host);
    const grpc = await openGrpcDoor(world.host, '/events');
    const client = new Client(door, { authorization: `Bearer ${key}` });
    const ledger = new Ledger();
    const webSockets = await several(() => Follower.webSocket(door, key));
    const sse = await several(() => Follower.sse(door, key));
    const calls = await several(() => Follower.grpc(grpc, key));
    const followers = [...webSockets, ...sse, ...calls];
    // A lease that outlasts the test: what is claimed twice was given twice.
    const load = { queue: 'rollout', producers: 12, workers: 24, leaseSecs: 300 };
    const fleet = new Fleet({ client, ledger, ...load });
    await eventually(() => expect(ledger.completedCount).toBeGreaterThan(100));

    const rollout = { isOver: false };
    const reading = Promise.all(reads.map((path) => readOn(client, path, rollout)));
    await world.host.rollOut();
    rollout.isOver = true;
    const before = ledger.completedCount;
    await eventually(() => expect(ledger.completedCount).toBeGreaterThan(before + 100));
    await fleet.stopProducing();
    await ledger.settled(client, 120_000);
    await fleet.stop();

    expect((await reading).flat()).toEqual([]);
    expect(fleet.losses).toEqual([]);
    expect(fleet.faults).toEqual([]);
    // Answered, every one: with success, or with "not now".
    expect([...fleet.answers.keys()].filter((name) => !/ (20[01]|503)$/.test(name))).toEqual([]);
    expect(await ledger.violations(client, followers)).toEqual([]);
    expect(endsOf(webSockets)).toEqual(new Set(['1001']));
    expect(endsOf(sse)).toEqual(new Set(['ended']));
    expect(endsOf(calls)).toEqual(new Set(['UNAVAILABLE']));
    // Both gateways went: nobody's first stream is left.
    for (const { connectionCount } of followers) expect(connectionCount).toBeGreaterThan(1);
    await Promise.all(followers.map((follower) => follower.stop()));
    expect(world.host.problems()).toEqual([]);
  }, 600_000);
});

function several(start: () => Promise<Follower>): Promise<Follower[]> {
  return Promise.all(Array.from({ length: streamsOfAKind }, start));
}

function endsOf(followers: readonly Follower[]): Set<string> {
  return new Set(followers.flatMap(({ ends }) => ends));
}

/** Reads until the rollout is over. Answers what was neither success nor "not now". */
async function readOn(
  client: Client,
  path: string,
  rollout: { readonly isOver: boolean },
): Promise<string[]> {
  const failures: string[] = [];
  while (!rollout.isOver) {
    const failure = await client.get(path).then(
      ({ status, headers }) =>
        status === 200 || (status === 503 && headers.has('retry-after')) ? [] : `${status}`,
      (error: unknown) => String(error),
    );
    failures.push(...[failure].flat().map((what) => `${path}: ${what}`));
    // A pace, not a wait: the fleet needs the processor, too.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return failures;
}
