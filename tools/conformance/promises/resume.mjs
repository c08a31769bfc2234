/** A client that was away has missed nothing, or is told so. */
import { setTimeout as delay } from 'node:timers/promises';

import { check, equal } from '../assert.mjs';
import { lives } from '../lives.mjs';
import { transports } from '../lab.mjs';
import { facts } from '../stream.mjs';

const LOAD_MS = 2_500;
const MAX_LIFE_MS = 250;

/** Jobs are born, claimed and finished until `isOver` says so. */
async function load(rest, queue, isOver) {
  while (!isOver()) {
    await rest.enqueueMany(queue, 10);
    const jobs = await rest.claim(queue, 8);
    await Promise.all(jobs.map((job, index) => (index % 3 ? rest.complete(job) : rest.fail(job))));
  }
}

const cursors = {
  garbage: () => 'this is no cursor',
  foreign: (cursor) => cursor.replace(/^./, (first) => (first === 'z' ? 'y' : 'z')),
  'never given': (cursor) => cursor.replace(/\d+$/, '999999999999'),
};

export const resume = [
  {
    name: 'a cut at every event: the rest comes exactly, then what is new',
    section: '§5',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const whole = await lab.open(transport, { queue });
      for (const { live } of Object.values(lives)) await live(lab.rest, queue);
      const count = Object.values(lives).flatMap(({ events }) => events).length;
      await whole.waitForStored(count);
      const record = facts(whole.stored);
      const resumed = await Promise.all(
        record.map(({ id }) => lab.open(transport, { queue, lastEventId: id })),
      );
      const last = await lab.rest.enqueue(queue);
      for (const stream of [whole, ...resumed]) await stream.waitForEventOf(last);
      await lab.quiet();
      const complete = facts(whole.stored);
      for (const [index, stream] of resumed.entries()) {
        equal(
          facts(stream.stored),
          complete.slice(index + 1),
          `what came after event ${index + 1}`,
        );
      }
    },
  },
  {
    name: 'cut again and again under load: no hole and no duplicate',
    section: '§5',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const whole = await lab.open(transport, { queue });
      const first = await lab.rest.enqueue(queue);
      await whole.waitForEventOf(first);
      const until = performance.now() + LOAD_MS;
      const loading = load(lab.rest, queue, () => performance.now() > until);
      const record = [];
      let lastEventId = whole.lastId;
      let cuts = 0;
      const take = (stream) => {
        record.push(...facts(stream.stored));
        lastEventId = stream.lastId ?? lastEventId;
      };
      while (performance.now() < until) {
        const stream = await lab.open(transport, { queue, lastEventId });
        await delay(Math.random() * MAX_LIFE_MS);
        stream.cut();
        take(stream);
        cuts += 1;
      }
      await loading;
      const end = await lab.rest.enqueue(queue);
      const last = await lab.open(transport, { queue, lastEventId });
      await Promise.all([last.waitForEventOf(end), whole.waitForEventOf(end)]);
      take(last);
      const expected = facts(whole.stored.slice(1));
      check(cuts >= 3 && expected.length > 20, `only ${expected.length} events, ${cuts} cuts`);
      const ids = record.map(({ id }) => id);
      equal(new Set(ids).size, ids.length, 'the number of different cursors');
      const missing = expected.filter(({ id }) => !ids.includes(id));
      equal(missing.length, 0, `the number of missing events of ${expected.length}`);
      equal(record, expected, 'the record');
    },
  },
  ...Object.entries(cursors).map(([kind, make]) => ({
    name: `a cursor that is ${kind} is answered with CURSOR_EXPIRED, then live`,
    section: '§5',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const before = await lab.open(transport, { queue });
      await before.waitForEventOf(await lab.rest.enqueue(queue));
      const lastEventId = make(before.lastId);
      const stream = await lab.open(transport, { queue, lastEventId });
      const { data, id } = await stream.waitForType('Error');
      equal([data.code, id], ['CURSOR_EXPIRED', undefined], 'code and id');
      equal(typeof data.resume_from, 'string', 'the type of resume_from');
      const next = await lab.rest.enqueue(queue);
      await stream.waitForEventOf(next);
      equal(
        stream.stored.map((event) => event.data.job_id),
        [next],
        'the jobs told of',
      );
      equal(stream.messages.filter(({ type }) => type === 'Error').length, 1, 'the Errors');
    },
  })),
  {
    name: 'the cursor at the start plus the events after it miss nothing',
    section: '§5',
    transports: ['websocket', 'sse'],
    run: async (lab, transport) => {
      const queue = lab.queue();
      const earlier = await lab.rest.enqueue(queue);
      const stream = await lab.open(transport, { queue });
      const cursor =
        transport === 'sse'
          ? stream.cursor
          : (await stream.ask({ cmd: 'Subscribe', queue })).cursor;
      check(typeof cursor === 'string', 'there is no cursor');
      stream.cut();
      const ids = await lab.rest.enqueueMany(queue, 5);
      const resumed = await lab.open(transport, { queue, lastEventId: cursor });
      await resumed.waitForEventOf(ids.at(-1));
      await lab.quiet();
      // The state that is read next tells of it, too: an overlap is no hole.
      const told = resumed.stored.map(({ data }) => data.job_id).filter((id) => id !== earlier);
      equal(told, ids, 'the jobs told of');
    },
  },
  {
    name: 'Last-Event-ID counts as last_event_id, and wins over it',
    section: '§5',
    transports: ['sse'],
    run: async (lab, transport) => {
      const queue = lab.queue();
      const before = await lab.open(transport, { queue });
      const ids = await lab.rest.enqueueMany(queue, 4);
      await before.waitForStored(ids.length);
      const [first, , third] = before.stored.map(({ id }) => id);
      const headers = { 'last-event-id': third };
      const expected = before.stored.slice(3).map(({ id }) => id);
      for (const lastEventId of [undefined, first]) {
        const stream = await lab.open(transport, { queue, headers, lastEventId });
        await stream.waitForStored(1);
        await lab.quiet();
        equal(
          stream.stored.map(({ id }) => id),
          expected,
          'the events',
        );
      }
    },
  },
  {
    name: 'Subscribe with last_event_id replays what passes its filter',
    section: '§5',
    transports: ['websocket'],
    run: async (lab, transport) => {
      const [queue, other] = [lab.queue(), lab.queue()];
      const before = await lab.open(transport, { queue });
      const [first, ...ids] = await lab.rest.enqueueMany(queue, 4);
      await before.waitForStored(4);
      const stream = await lab.open(transport, { queue: other });
      const lastEventId = before.stored.find(({ data }) => data.job_id === first).id;
      await stream.ask({ cmd: 'Subscribe', queue, last_event_id: lastEventId });
      await stream.waitForStored(ids.length);
      await lab.quiet();
      equal(
        stream.stored.map(({ data }) => data.job_id),
        ids,
        'the jobs told of',
      );
    },
  },
];
