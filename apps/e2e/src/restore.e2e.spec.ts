/** The database is lost and comes back as a backup had it, while NATS and the clients remember more than it does. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';

import { parseCursor } from '@spooled/contracts';
import { baseBackup, eventually, onCleanUp } from '@spooled/testing';
import pg from 'pg';

import type { Client } from './harness/client.js';
import { Fleet } from './harness/fleet.js';
import { Follower } from './harness/follower.js';
import { Ledger } from './harness/ledger.js';
import { World, type Organization } from './harness/world.js';

const run = promisify(execFile);

describe('a restore', () => {
  let world: World;
  let organization: Organization;
  let backup: string;

  beforeAll(async () => {
    world = await World.start('standalone', { hasOwnPostgres: true });
    organization = await world.organization('restore');
    backup = `${world.postgres.dir}-backup`;
    onCleanUp(() => rm(backup, { recursive: true, force: true }));
  });
  afterAll(() => world?.stop());

  it('is as the backup was, announces to every cursor what is gone, and goes on from there', async () => {
    const { client, key } = organization;
    const { host } = world;
    const ledger = new Ledger();
    const followers = await follow();
    const fleet = new Fleet({ client, ledger, queue: 'restore', producers: 4 });
    await eventually(() => expect(ledger.completedCount).toBeGreaterThan(100));
    const kept = [...ledger.acknowledged];
    await baseBackup(world.postgres, backup);
    // Asked for after the backup was complete: what was on its way meanwhile may or may not be in it.
    const lost = await Promise.all(Array.from({ length: 20 }, () => client.enqueue('restore')));
    const atBackup = ledger.acknowledged.size;
    await eventually(() => expect(ledger.acknowledged.size).toBeGreaterThan(atBackup + 100));
    await fleet.stop();
    await seenByAll(followers, lost.at(-1));
    const stale = followers[0]?.newestCursor() ?? '';

    host.signal('SIGKILL');
    await host.exits();
    await restore();
    // The sweeper and the writers meet a stream that holds the other history, under the same numbers.
    await host.restartAll();

    expect((await client.statuses(kept)).size).toBe(kept.length);
    expect((await client.statuses(lost)).size).toBe(0);
    for (const follower of followers) {
      await eventually(() => expect(follower.errors()).toMatchObject([expired]));
    }
    await goesOn(client, followers, parseCursor(stale)?.seq);
    // The number of the old cursor has been given out again by now, to another event.
    const returning = await Follower.grpc(host.grpcAddress('/events'), key, stale);
    await eventually(() => expect(returning.errors()).toMatchObject([expired]));
    // From where the announcement says, everything that the log still has.
    const [error] = followers[0]?.errors() ?? [];
    const from = (error?.data as { resume_from: string }).resume_from;
    const late = await Follower.grpc(host.grpcAddress('/events'), key, from);
    await eventually(() => expect(late.seen().at(-1)?.seq).toBe(followers[0]?.seen().at(-1)?.seq));
    expect(late.seen().map(({ seq }) => seq)).toEqual(late.seen().map((_, index) => index + 1));
    expect(late.errors()).toEqual([]);
    await Promise.all([...followers, returning, late].map((follower) => follower.stop()));
  });

  it('under running services is announced on the streams that are open', async () => {
    const { client } = organization;
    const followers = await follow();
    const ids = await Promise.all(Array.from({ length: 20 }, () => client.enqueue('later')));
    await seenByAll(followers, ids.at(-1));

    await restore();

    for (const follower of followers) {
      await eventually(() => expect(follower.errors()).toMatchObject([expired]));
      expect(follower.connectionCount).toBe(1);
    }
    expect((await client.statuses(ids)).size).toBe(0);
    await goesOn(client, followers);
    await Promise.all(followers.map((follower) => follower.stop()));
  });

  const expired = {
    type: 'Error',
    data: { code: 'CURSOR_EXPIRED', resume_from: expect.any(String) },
  };

  async function follow(): Promise<Follower[]> {
    const { host } = world;
    return [
      await Follower.webSocket(host, organization.key),
      await Follower.sse(host, organization.key),
      await Follower.grpc(host.grpcAddress('/events'), organization.key),
    ];
  }

  /**
   * What the backup left half done is done, then new work, until the log has grown `beyond` a number; and `followers` see
   * all of that without a hole.
   */
  async function goesOn(client: Client, followers: readonly Follower[], beyond = 0): Promise<void> {
    const ledger = new Ledger();
    const finishing = new Fleet({ client, ledger, queue: 'restore', producers: 0 });
    await eventually(async () => {
      // In the order in which jobs go on, so that none is overlooked while it does.
      for (const status of ['processing', 'scheduled', 'pending', 'processing']) {
        expect(await client.jobsIn(status)).toEqual([]);
      }
    });
    await finishing.stop();
    const fresh = await follow();
    const fleet = new Fleet({ client, ledger, queue: 'restore' });
    const before = ledger.completedCount;
    await eventually(() => {
      expect(ledger.completedCount).toBeGreaterThan(before + 50);
      expect(fresh[0]?.seen().at(-1)?.seq).toBeGreaterThan(beyond);
    });
    await fleet.stopProducing();
    await ledger.settled(client);
    await fleet.stop();
    expect(await ledger.violations(client, fresh)).toEqual([]);
    const newest = fresh[0]?.seen().at(-1)?.seq;
    for (const follower of followers) {
      await eventually(() => expect(follower.seen().at(-1)?.seq).toBe(newest));
      expect(jumps(follower)).toBe(1);
    }
    await Promise.all(fresh.map((follower) => follower.stop()));
  }

  async function seenByAll(followers: readonly Follower[], id: string | undefined): Promise<void> {
    for (const follower of followers) {
      await eventually(() => {
        const jobs = follower
          .seen()
          .map(({ event }) => 'job_id' in event.data && event.data.job_id);
        expect(jobs).toContain(id);
      });
    }
  }

  /** The server's files are replaced by the backup's, and the epoch by a new one. */
  async function restore(): Promise<void> {
    const { postgres } = world;
    await postgres.stop('immediate');
    await rm(postgres.dir, { recursive: true });
    await run('cp', ['-a', backup, postgres.dir]);
    await postgres.start();
    const owner = new pg.Client({ connectionString: world.databaseUrl });
    await owner.connect();
    await owner.query('select events.renew_epoch()');
    await owner.end();
  }
});

/** How often what was seen does not go on where it stood. */
function jumps(follower: Follower): number {
  const seqs = follower.seen().map(({ seq }) => seq);
  return seqs.filter((seq, index) => index > 0 && seq !== (seqs[index - 1] ?? 0) + 1).length;
}
