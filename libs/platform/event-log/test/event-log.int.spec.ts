import { jetstreamManager } from '@nats-io/jetstream';
import { EVENT_STREAM, eventBatch, eventSubject, type EventBatch } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { EventStream } from '../src/event-stream.js';
import { entry, event, marks, sequence, World } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

describe('append', () => {
  it('numbers densely per organization under concurrent transactions, some of which abort', async () => {
    const organizations = Array.from({ length: 5 }, (): string => randomUUID());
    const expected = new Map(organizations.map((id) => [id, [] as string[]]));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, async (_, n) => {
        // One to three organizations in any order: positions must be locked in one.
        const mine = organizations
          .map((id) => ({ id, place: Math.random() }))
          .sort((a, b) => a.place - b.place)
          .slice(0, 1 + (n % 3))
          .map(({ id }) => id);
        const entries = mine.map((id) =>
          entry(id, ...sequence(1 + (n % 4)).map((index) => `${n}.${index}`)),
        );
        await world.append(entries, n % 5 === 0);
        for (const { organizationId, events } of entries) {
          expected
            .get(organizationId)!
            .push(...events.map(({ data }) => ('error' in data ? data.error : '')));
        }
      }),
    );
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(10);
    for (const id of organizations) {
      const log = await world.log(id);
      expect(log.map(({ seq }) => seq)).toEqual(sequence(log.length));
      expect(marks(log).sort()).toEqual(expected.get(id)!.sort());
      // The events of one transaction stand together and in order.
      const runs = new Set(marks(log).map((mark) => mark.split('.')[0]));
      const switches = marks(log).filter(
        (mark, index, all) => mark.split('.')[0] !== all[index - 1]?.split('.')[0],
      );
      expect(switches).toHaveLength(runs.size);
    }
  });

  it('of no events writes nothing', async () => {
    const id = randomUUID();
    await world.append([]);
    await world.append([{ organizationId: id, events: [] }]);
    expect(await world.log(id)).toEqual([]);
  });

  it('for organizations that are not in the transaction is refused', async () => {
    const [mine, other] = [randomUUID(), randomUUID()];
    await expect(
      world.database.transaction([mine], async (transaction) => {
        const { EventLog } = await import('../src/event-log.js');
        world.context.get(EventLog).append(transaction, [entry(mine, 'a'), entry(other, 'b')]);
      }),
    ).rejects.toMatchObject({ code: 'DATABASE_ERROR' });
    expect(await world.log(mine)).toEqual([]);
    expect(await world.log(other)).toEqual([]);
  });

  it('cuts what one message could not carry, without a hole', async () => {
    const id = randomUUID();
    const { seen } = await world.follow(id);
    const given = sequence(1200).map((n) => `${n} ${'字'.repeat(500)}`);
    await world.append([entry(id, ...given)]);
    expect(marks(await world.log(id))).toEqual(given);
    await eventually(() => expect(seen.map(({ seq }) => seq)).toEqual(sequence(1200)));
    await eventually(async () => (await world.outbox()) === 0);
  });
});

describe('publishing', () => {
  it('sends each batch right after its commit, and the stream keeps it', async () => {
    const id = randomUUID();
    const received: EventBatch[] = [];
    world.bus.subscribe(eventSubject(id), (message) => {
      const batch = eventBatch.parse(message.json());
      if (batch.organization_id === id) received.push(batch);
    });
    await world.bus.connection.flush();
    await world.append([entry(id, 'a', 'b')]);
    await world.append([entry(id, 'c')]);
    await eventually(() => received.length === 2);
    expect(received).toMatchObject([
      { first_seq: 1, events: [{ data: { error: 'a' } }, { data: { error: 'b' } }] },
      { first_seq: 3, events: [{ data: { error: 'c' } }] },
    ]);
    await eventually(async () => (await world.outbox()) === 0);
    const manager = await jetstreamManager(world.bus.connection);
    const last = await manager.streams.getMessage(EVENT_STREAM, { last_by_subj: eventSubject(id) });
    expect(last?.json()).toEqual(received[1]);
    expect(last?.header.get('Spooled-Organization')).toBe(id);
  });

  it('never sends what was rolled back', async () => {
    const id = randomUUID();
    const { seen } = await world.follow(id);
    await expect(world.append([entry(id, 'lost')], true)).rejects.toThrow();
    await world.append([entry(id, 'kept')]);
    await eventually(() => expect(marks(seen)).toEqual(['kept']));
    expect(seen[0]!.seq).toBe(1);
  });

  it('is made up for by the sweeper when a crash came between commit and publish', async () => {
    const id = randomUUID();
    const { seen } = await world.follow(id);
    // What a killed process leaves: everything committed, nothing sent.
    await world.owner.query(
      `with p as (insert into events.position values ($1, 2)),
         l as (insert into events.log values ($1, 1, 2, $2))
       insert into events.outbox values ($1, 2, now() - interval '1 minute')`,
      [id, JSON.stringify([event('a'), event('b')])],
    );
    await eventually(() => expect(marks(seen)).toEqual(['a', 'b']));
    await eventually(async () => (await world.outbox()) === 0);
  });

  it('waits for a bus that is away, and is made up for when it comes back', async () => {
    const id = randomUUID();
    const { seen, counts } = await world.follow(id);
    await world.nats.kill();
    for (const n of sequence(20)) await world.append([entry(id, `away ${n}`)]);
    expect(await world.outbox()).toBeGreaterThan(0);
    await world.nats.start();
    await eventually(() => expect(seen.map(({ seq }) => seq)).toEqual(sequence(20)));
    await eventually(async () => (await world.outbox()) === 0);
    expect(counts.resets).toBe(0);
  });

  it('goes on with a stream of its own after the broker was wiped', async () => {
    const id = randomUUID();
    const { seen, counts } = await world.follow(id);
    await world.append([entry(id, 'before')]);
    await world.nats.kill();
    await world.append([entry(id, 'between')]);
    await world.nats.wipe();
    await world.nats.start();
    await eventually(() => expect(marks(seen)).toEqual(['before', 'between']));
    await world.append([entry(id, 'after')]);
    await eventually(() => expect(marks(seen)).toEqual(['before', 'between', 'after']));
    await eventually(async () => (await world.outbox()) === 0);
    const manager = await jetstreamManager(world.bus.connection);
    const { state } = await manager.streams.info(EVENT_STREAM);
    expect(state.messages).toBeGreaterThanOrEqual(2);
    expect(counts.resets).toBe(0);
  });

  it('leaves a stream alone that is as it should be, and mends one that is not', async () => {
    const asked: string[] = [];
    world.bus.connection.subscribe(`$JS.API.STREAM.*.${EVENT_STREAM}`, {
      callback: (_error, { subject }) => void asked.push(subject.split('.')[3] ?? ''),
    });
    const manager = await jetstreamManager(world.bus.connection);
    const stream = world.context.get(EventStream, { strict: false });
    for (const looks of [1, 2]) {
      stream.suspect();
      await eventually(() => expect(asked.length).toBeGreaterThanOrEqual(looks));
    }
    expect(new Set(asked)).toEqual(new Set(['INFO']));
    await manager.streams.update(EVENT_STREAM, { max_bytes: 1_000_000 });
    asked.length = 0;
    stream.suspect();
    await eventually(() => expect(asked).toContain('UPDATE'));
    await eventually(async () => {
      const { config } = await manager.streams.info(EVENT_STREAM);
      expect(config.max_bytes).not.toBe(1_000_000);
    });
  });
});
