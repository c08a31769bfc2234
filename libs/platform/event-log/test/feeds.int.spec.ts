import { headers } from '@nats-io/transport-node';
import { eventLogRpc, eventSubject, type StoredEvent } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import fc from 'fast-check';
import { randomUUID } from 'node:crypto';
import { EventFeeds, type FeedEvent, type OrganizationFeed } from '../src/index.js';
import { entry, event, marks, sequence, World } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

async function readAll(feed: OrganizationFeed, after: number, to: number): Promise<FeedEvent[]> {
  const all: FeedEvent[] = [];
  for await (const page of feed.read(after, to)) all.push(...page);
  return all;
}

interface Batch {
  readonly first: number;
  readonly marks: readonly string[];
}

/** Puts batches into the log without anybody publishing them. */
async function store(organizationId: string, sizes: readonly number[]): Promise<Batch[]> {
  let first = 1;
  const batches = sizes.map((size) => {
    const batch = { first, marks: sequence(size, first).map(String) };
    first += size;
    return batch;
  });
  for (const { first: firstSeq, marks: given } of batches) {
    await world.owner.query('insert into events.log values ($1, $2, $3, $4)', [
      organizationId,
      firstSeq,
      firstSeq + given.length - 1,
      JSON.stringify(given.map(event)),
    ]);
  }
  await world.owner.query('insert into events.position values ($1, $2)', [
    organizationId,
    first - 1,
  ]);
  return batches;
}

function send(feed: OrganizationFeed, batch: Batch, epoch = feed.epoch): void {
  const head = headers();
  head.set('Spooled-Organization', feed.organizationId);
  const message = {
    organization_id: feed.organizationId,
    epoch,
    first_seq: batch.first,
    events: batch.marks.map(event),
  };
  world.bus.connection.publish(eventSubject(feed.organizationId), JSON.stringify(message), {
    headers: head,
  });
}

describe('a feed', () => {
  it('begins at the present end of the log', async () => {
    const id = randomUUID();
    await world.append([entry(id, 'a', 'b')]);
    const { feed, seen } = await world.follow(id);
    expect(feed.position).toBe(2);
    await world.append([entry(id, 'c')]);
    await eventually(() => expect(marks(seen)).toEqual(['c']));
    expect(feed.position).toBe(3);
  });

  it('stays dense over what a newer release tells, from the log and over the bus', async () => {
    const id = randomUUID();
    const newer = { type: 'JobSplit', data: event('newer').data } as unknown as StoredEvent;
    const told = { organizationId: id, events: [event('a'), newer, event('b')] };
    await world.append([told]);
    const { feed, seen, counts } = await world.follow(id);
    expect(marks(await readAll(feed, 0, 3))).toEqual(['a', 'newer', 'b']);
    await world.append([told]);
    await eventually(() => expect(marks(seen)).toEqual(['a', 'newer', 'b']));
    expect(feed.position).toBe(6);
    expect(counts.resets).toBe(0);
  });

  it('hands out what the bus repeats, shuffles and loses: once each, in order', async () => {
    const deliveries = fc.array(
      fc.record({ size: fc.integer({ min: 1, max: 4 }), copies: fc.integer({ min: 0, max: 3 }) }),
      { minLength: 1, maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(
        deliveries,
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        async (given, places) => {
          const id = randomUUID();
          // The feed begins before the first event.
          const { feed, seen, counts } = await world.follow(id);
          const batches = await store(
            id,
            given.map(({ size }) => size),
          );
          const copies = batches
            .flatMap((batch, index) => Array<Batch>(given[index]!.copies).fill(batch))
            .map((batch) => ({ batch, place: places.next().value as number }))
            .sort((a, b) => a.place - b.place);
          for (const { batch } of copies) send(feed, batch);
          const { first, marks: last } = batches.at(-1)!;
          const newest = first + last.length - 1;
          // The periodic look at the log, which finds a lost tail.
          feed.verify(feed.epoch, newest);
          await eventually(() => expect(seen.map(({ seq }) => seq)).toEqual(sequence(newest)));
          expect(marks(seen)).toEqual(sequence(newest).map(String));
          expect(counts.resets).toBe(0);
        },
      ),
      { numRuns: 25, endOnFailure: true },
    );
  });

  it('stays dense and never resets while it is checked under load', async () => {
    const id = randomUUID();
    const { feed, seen, counts } = await world.follow(id);
    const total = 400;
    let isOver = false;
    const checking = (async () => {
      while (!isOver) {
        const { epoch, positions } = await world.bus.request(eventLogRpc.positions, {
          organizationIds: [id],
        });
        feed.verify(epoch, positions[0]!.newest);
      }
    })();
    await Promise.all(
      Array.from({ length: 8 }, async (_, lane) => {
        for (const n of sequence(total / 8)) await world.append([entry(id, `${lane}.${n}`)]);
      }),
    );
    await eventually(() => expect(seen.map(({ seq }) => seq)).toEqual(sequence(total)));
    isOver = true;
    await checking;
    expect(marks(seen)).toEqual(marks(await world.log(id)));
    expect(counts.resets).toBe(0);
  });

  it('finds a lost tail by itself', async () => {
    const id = randomUUID();
    const { seen } = await world.follow(id);
    await store(id, [3]);
    // Nothing on the bus tells of it; the log is asked every five seconds.
    await eventually(() => expect(marks(seen)).toEqual(['1', '2', '3']));
  });

  it('of one organization hears nothing of another on the same shard', async () => {
    const id = randomUUID();
    let other = randomUUID();
    while (eventSubject(other) !== eventSubject(id)) other = randomUUID();
    const [mine, theirs] = [await world.follow(id), await world.follow(other)];
    await world.append([entry(id, 'mine'), entry(other, 'theirs')]);
    await eventually(() => expect(marks(mine.seen)).toEqual(['mine']));
    await eventually(() => expect(marks(theirs.seen)).toEqual(['theirs']));
  });

  it('is shared by its readers and outlives each of them', async () => {
    const id = randomUUID();
    const feeds = world.context.get(EventFeeds);
    const { feed, seen } = await world.follow(id);
    const second = await feeds.acquire(id);
    expect(second).toBe(feed);
    feeds.release(second);
    await world.append([entry(id, 'still here')]);
    await eventually(() => expect(marks(seen)).toEqual(['still here']));
  });
});

describe('reading back', () => {
  it('gives any range exactly, from memory and from the log alike', async () => {
    const id = randomUUID();
    for (const n of sequence(30)) await world.append([entry(id, `${n}a`, `${n}b`)]);
    const { feed } = await world.follow(id);
    for (const n of sequence(20, 31)) await world.append([entry(id, `${n}a`, `${n}b`)]);
    await eventually(() => feed.position === 100);
    const all = await world.log(id);
    for (const [after, to] of [
      [0, 100],
      [0, 1],
      [59, 61],
      [60, 100],
      [61, 99],
      [99, 100],
      [100, 100],
    ] as const) {
      expect(await readAll(feed, after, to)).toEqual(all.slice(after, to));
    }
  });

  it('pages through more than one answer can carry, whatever the alphabet', async () => {
    const id = randomUUID();
    const text = '字'.repeat(2000);
    for (const n of sequence(10)) {
      await world.append([entry(id, ...sequence(40).map((index) => `${n}.${index} ${text}`))]);
    }
    const { feed } = await world.follow(id);
    const all = await readAll(feed, 0, 400);
    expect(all.map(({ seq }) => seq)).toEqual(sequence(400));
    expect(marks(all)).toEqual(marks(await world.log(id)));
  });

  it('from before the oldest event kept is refused as expired, never answered with silence', async () => {
    const id = randomUUID();
    await world.append([entry(id, 'a', 'b')]);
    await world.append([entry(id, 'c')]);
    await world.append([entry(id, 'd')]);
    await world.owner.query('delete from events.log where organization_id = $1 and last_seq <= 2', [
      id,
    ]);
    const { feed } = await world.follow(id);
    await expect(readAll(feed, 0, 4)).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
    await expect(readAll(feed, 1, 4)).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
    expect(marks(await readAll(feed, 2, 4))).toEqual(['c', 'd']);
    expect(await feed.oldest()).toBe(3);
    await world.owner.query('delete from events.log where organization_id = $1', [id]);
    expect(await feed.oldest()).toBe(5);
    // It was read a moment ago.
    expect(marks(await readAll(feed, 3, 4))).toEqual(['d']);
  });

  it('of a log that is empty by now is refused as expired', async () => {
    const id = randomUUID();
    await world.append([entry(id, 'a', 'b')]);
    await world.owner.query('delete from events.log where organization_id = $1', [id]);
    const { feed } = await world.follow(id);
    await expect(readAll(feed, 1, 2)).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
  });

  it('by a thousand at once, from anywhere, costs the log a few questions', async () => {
    const id = randomUUID();
    await store(
      id,
      Array.from({ length: 500 }, () => 2),
    );
    const { feed } = await world.follow(id);
    let asked = 0;
    const { bus } = world;
    const questions = bus.connection.subscribe(eventLogRpc.replay.subject, {
      callback: () => void (asked += 1),
    });
    await bus.connection.flush();
    const from = Array.from({ length: 1000 }, (_, index) => (index * 617) % 1000);
    // As every reader does, once more when the log cannot be asked just now.
    const read = await Promise.all(
      from.map((after) => eventually(() => readAll(feed, after, 1000))),
    );
    for (const [index, events] of read.entries()) {
      expect(events.map(({ seq }) => seq)).toEqual(sequence(1000 - from[index]!, from[index]! + 1));
    }
    questions.unsubscribe();
    expect(asked).toBeLessThan(80);
  });
});

describe('another history', () => {
  it('is announced as a reset, and followed from then on', async () => {
    const id = randomUUID();
    await world.append([entry(id, 'a', 'b', 'c')]);
    const { feed, seen, counts } = await world.follow(id);
    const before = feed.epoch;
    // A restore from a backup: a new epoch, and a log that ends earlier.
    await world.owner.query('select events.renew_epoch()');
    await world.owner.query('update events.position set last_seq = 1 where organization_id = $1', [
      id,
    ]);
    await world.owner.query('delete from events.log where organization_id = $1', [id]);
    await world.owner.query('delete from events.outbox where organization_id = $1', [id]);
    await world.append([entry(id, 'd')]);
    await eventually(() => counts.resets === 1);
    expect(feed.epoch).not.toBe(before);
    expect(feed.position).toBe(2);
    await world.append([entry(id, 'e')]);
    await eventually(() => expect(marks(seen)).toEqual(['e']));
    // A straggler of the old history changes nothing.
    send(feed, { first: 4, marks: ['old'] }, before);
    await world.append([entry(id, 'f')]);
    await eventually(() => expect(marks(seen)).toEqual(['e', 'f']));
  });

  it('is declared by the owner alone', async () => {
    const { rows } = await world.owner.query<{ role: string }>(
      `select rolname::text as role from pg_roles
       where rolname like 'spooled\\_%' and has_function_privilege(rolname, 'events.renew_epoch()', 'execute')`,
    );
    expect(rows).toEqual([]);
  });
});
