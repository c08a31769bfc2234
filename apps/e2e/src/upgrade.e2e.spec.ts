/** The release before this one and this one share a database and a bus, and nobody notices who answers. */
import { onCleanUp, testDatabase } from '@spooled/testing';
import pg from 'pg';

import { Belongings } from './harness/belongings.js';
import { FrontDoor } from './harness/front-door.js';
import { root } from './harness/host.js';
import { checkOut, describeWithPreviousRelease } from './harness/previous-release.js';
import { breaksBetween, readSchema } from './harness/schema.js';
import { Traffic } from './harness/traffic.js';
import { migrate, World } from './harness/world.js';

describeWithPreviousRelease('an upgrade from the previous release', (commit) => {
  let previous: string;
  let world: World | undefined;

  beforeAll(async () => {
    previous = await checkOut(commit);
  }, 600_000);
  afterAll(() => world?.stop());

  it('only adds to the database', async () => {
    const { url } = await testDatabase({ isEmpty: true });
    await migrate(url, previous);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    onCleanUp(() => client.end());
    const before = await readSchema(client);
    await migrate(url);
    expect(breaksBetween(before, await readSchema(client))).toEqual([]);
  });

  it('and back and forth again fails no call and loses nothing, under load', async () => {
    world = await World.start('services', { replicas: 2, root: previous });
    const { host } = world;
    const owner = await world.organization('owner');
    const belongings = await Belongings.leave(owner, await FrontDoor.open(host));
    const traffic = await Traffic.start(world, await world.organization('busy'), {
      queue: 'busy',
      producers: 4,
      workers: 8,
      streamsOfAKind: 3,
      // Some come back, and leave a history.
      failures: (number) => (number % 10 === 0 ? 1 : 0),
      // Goes into columns and messages that only one of the two knows.
      headers: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' },
    });
    const usual = {
      onStarting: traffic.beCalm,
      between: (): Promise<void> => traffic.flows(30),
    };

    await migrate(world.databaseUrl);
    await usual.between();
    await host.rollOut({ root, ...usual });
    // Both ways: an old job-api under a new gateway, and then a new one under an old gateway.
    await host.rollOut({ names: ['job-api'], root: previous, ...usual });
    await host.rollOut({ names: ['realtime-gateway'], root: previous, ...usual });
    await host.rollOut({ names: ['job-api'], root, ...usual });
    await host.rollOut({ names: ['realtime-gateway'], root, ...usual });

    await belongings.check();
    expect(await traffic.end()).toEqual([]);
    expect(host.problems()).toEqual([]);
  }, 1_800_000);
});
