/** Which events come, in which order and shape. */
import { check, equal, short } from '../assert.mjs';
import { lives, outline, revs } from '../lives.mjs';
import { CONTROL, facts, MAX_EVENT_BYTES } from '../stream.mjs';
import { transports } from '../lab.mjs';

const names = {
  JobCreated: 'job.created',
  JobStatusChange: 'job.status',
  JobCompleted: 'job.completed',
  JobFailed: 'job.failed',
};
const claimed = lives.completed.events.slice(0, 2);

const ofLives = Object.entries(lives).map(([title, { live, events, revs: expected }]) => ({
  name: `a job that is ${title} tells it in order, with dense rev`,
  section: '§2',
  transports,
  run: async (lab, transport) => {
    const queue = lab.queue();
    const stream = await lab.open(transport, { queue });
    const id = await live(lab.rest, queue);
    await stream.waitForStored(events.length);
    await lab.quiet();
    equal(stream.stored.map(outline), events, 'the events');
    equal(revs(stream.stored), expected, 'their rev');
    for (const { data } of stream.stored) {
      equal([data.job_id, data.queue_name], [id, queue], 'job and queue');
      check(Number.isFinite(Date.parse(data.timestamp)), `no timestamp in ${short(data)}`);
    }
  },
}));

/** Changes that no worker's call makes: what must be told of them, after `JobCreated`. */
const transitions = {
  'a job that becomes due': {
    cause: async (lab, queue) => {
      const scheduled_at = new Date(Date.now() + 1_500).toISOString();
      await lab.rest.enqueue(queue, { scheduled_at });
    },
    events: [
      ['JobCreated', '', 'scheduled'],
      ['JobStatusChange', 'scheduled', 'pending'],
    ],
  },
  'a lease that runs out': {
    cause: async (lab, queue) => {
      await lab.rest.enqueue(queue);
      await lab.rest.claim(queue, 1, { lease_duration_secs: 5 });
    },
    events: [...claimed, ['JobStatusChange', 'processing', 'pending']],
  },
  'a worker that leaves its job': {
    cause: async (lab, queue) => {
      const worker_id = await lab.worker(queue);
      await lab.rest.enqueue(queue);
      await lab.rest.claim(queue, 1, { worker_id });
      await lab.rest.deregisterWorker(worker_id);
    },
    events: [...claimed, ['JobStatusChange', 'processing', 'pending']],
  },
  'a dead job that is retried by hand': {
    cause: async (lab, queue) => {
      const id = await lives['failed for good'].live(lab.rest, queue);
      await lab.rest.call('POST', `/jobs/${id}/retry`);
    },
    events: [...lives['failed for good'].events, ['JobStatusChange', 'deadletter', 'pending']],
  },
};

const ofTransitions = Object.entries(transitions).map(([title, { cause, events: expected }]) => ({
  name: `${title} is told`,
  section: '§2',
  transports: ['all'],
  run: async (lab, _transport, available) => {
    const queue = lab.queue();
    const events = Object.keys(names);
    const opened = await Promise.all(available.map((each) => lab.open(each, { queue, events })));
    await cause(lab, queue);
    for (const stream of opened) {
      await stream.waitForStored(expected.length, 20_000);
      equal(stream.stored.map(outline), expected, 'the events');
    }
  },
}));

export const events = [
  ...ofLives,
  ...ofTransitions,
  {
    name: 'every transport tells the same, with the same cursors',
    section: '§2',
    transports: ['all'],
    run: async (lab, _transport, available) => {
      const queue = lab.queue();
      const opened = await Promise.all(available.map((each) => lab.open(each, { queue })));
      let count = 0;
      for (const { live, events: expected } of Object.values(lives)) {
        await live(lab.rest, queue);
        count += expected.length;
      }
      for (const stream of opened) await stream.waitForStored(count);
      const [first, ...others] = opened.map(({ stored }) => facts(stored));
      for (const other of others) equal(other, first, 'the events of another transport');
      equal(new Set(first.map(({ id }) => id)).size, count, 'the number of different cursors');
    },
  },
  {
    name: 'event names, `id:` lines and one-line data are as documented',
    section: '§4',
    transports: ['sse'],
    run: async (lab, transport) => {
      const queue = lab.queue();
      const stream = await lab.open(transport, { queue });
      const unnamed = await lab.open(transport, { queue, query: { named: 'false' } });
      await lives.completed.live(lab.rest, queue);
      await Promise.all([stream.waitForStored(4), unnamed.waitForStored(4)]);
      for (const { event, id, data } of stream.frames.filter((frame) => frame.id !== undefined)) {
        const envelope = JSON.parse(data);
        equal([event, id], [names[envelope.type], envelope.id], 'event and id');
        check(!data.includes('\n'), 'the data has more than one line');
      }
      const written = unnamed.frames.map(({ event }) => event);
      check(
        written.every((event) => event === undefined),
        'named=false left an `event:` line in',
      );
    },
  },
  {
    name: 'name and timestamp of a message are those of its event',
    section: 'grpc §9',
    transports: ['grpc'],
    run: async (lab, transport) => {
      const queue = lab.queue();
      const stream = await lab.open(transport, { queue });
      await lives.completed.live(lab.rest, queue);
      await stream.waitForStored(4);
      for (const { type, name, at, data } of stream.stored) {
        equal([name, at], [names[type], Date.parse(data.timestamp)], 'name and timestamp');
      }
    },
  },
  {
    name: 'an idempotent repetition tells nothing',
    section: '§2',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const stream = await lab.open(transport, { queue });
      const first = await lab.rest.enqueue(queue, { idempotency_key: `${queue}-1` });
      equal(await lab.rest.enqueue(queue, { idempotency_key: `${queue}-1` }), first, 'the id');
      const last = await lab.rest.enqueue(queue);
      await stream.waitForEventOf(last);
      equal(
        stream.stored.map(({ data }) => data.job_id),
        [first, last],
        'the jobs told of',
      );
    },
  },
  {
    name: 'a worker that comes, reports and goes is told',
    section: '§2',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const stream = await lab.open(transport, { queue });
      const worker = await lab.worker(queue);
      await stream.waitForType('WorkerRegistered');
      await lab.rest.heartbeat(worker);
      const heartbeat = await stream.waitForType('WorkerHeartbeat');
      equal([heartbeat.id, heartbeat.data.queue_name], [undefined, queue], 'id and queue');
      await lab.rest.deregisterWorker(worker);
      await stream.waitForType('WorkerDeregistered');
      equal(
        stream.stored.map(({ type, data }) => [type, data.worker_id]),
        [
          ['WorkerRegistered', worker],
          ['WorkerDeregistered', worker],
        ],
        'the stored events',
      );
    },
  },
  {
    name: 'control events never carry a cursor, stored ones always do',
    section: '§2',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const stream = await lab.open(transport, { queue, lastEventId: 'no-cursor' });
      await stream.waitForType('Error');
      await lives.completed.live(lab.rest, queue);
      await lab.rest.heartbeat(await lab.worker(queue));
      await stream.waitForType('WorkerHeartbeat');
      await stream.waitForType('QueueStats');
      for (const { type, id } of stream.messages) {
        equal(typeof id, CONTROL.has(type) ? 'undefined' : 'string', `the type of id of ${type}`);
      }
    },
  },
  {
    name: 'counters of a changed queue are told at most once a second',
    section: '§2',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const stream = await lab.open(transport, { queue, events: ['queue.stats'] });
      const startedAt = performance.now();
      const ids = await lab.rest.enqueueMany(queue, 20);
      for (const id of ids.slice(0, 5)) await lab.rest.cancel(id);
      const isSettled = ({ data }) => data.pending === ids.length - 5;
      await stream.waitFor(
        (message) => message.type === 'QueueStats' && isSettled(message),
        'them',
      );
      const told = stream.messages.filter(({ type }) => type === 'QueueStats').length;
      const seconds = (performance.now() - startedAt) / 1000;
      check(told <= Math.floor(seconds) + 2, `${told} QueueStats in ${seconds.toFixed(1)} s`);
    },
  },
  {
    name: 'no event is over 30 KiB: a large result is left out and said to be',
    section: '§2',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const stream = await lab.open(transport, { queue });
      await lab.rest.enqueue(queue, { max_retries: 0 });
      const [job] = await lab.rest.claim(queue);
      await lab.rest.complete(job, { text: 'x'.repeat(40 * 1024) });
      const { data } = await stream.waitForType('JobCompleted');
      equal([data.result, data.result_truncated], [undefined, true], 'result, result_truncated');
      for (const { type, data: told } of stream.messages) {
        const bytes = Buffer.byteLength(JSON.stringify(told));
        check(bytes <= MAX_EVENT_BYTES, `a ${type} has ${bytes} bytes`);
      }
    },
  },
  {
    name: 'SystemHealth comes every 10 s',
    section: '§4',
    transports: ['sse'],
    run: async (lab, transport) => {
      const stream = await lab.open(transport, { events: ['system.health'] });
      const { data } = await stream.waitForType('SystemHealth', 12_000);
      equal([typeof data.database, typeof data.redis], ['boolean', 'boolean'], 'its fields');
    },
  },
];
