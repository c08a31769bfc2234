/** The streams of one job and of one queue: where it stands, then what happens. */
import { check, equal } from '../assert.mjs';
import { lives, outline } from '../lives.mjs';

const transports = ['sse'];
const counts = ({ pending, processing, completed, failed }) => [
  pending,
  processing,
  completed,
  failed,
];

export const views = [
  {
    name: 'a job stream begins with the present status, and ends after the outcome',
    section: '§4',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const id = await lab.rest.enqueue(queue);
      const stream = await lab.open(transport, { path: `/events/jobs/${id}` });
      await stream.waitForType('JobStatusChange');
      const [job] = await lab.rest.claim(queue);
      await lab.rest.complete(job);
      equal(await stream.waitForEnd(), 'end', 'how the stream ended');
      equal(
        stream.messages.map(outline),
        [['JobStatusChange', '', 'pending'], ...lives.completed.events.slice(1)],
        'the events',
      );
      equal(stream.messages[0].id, undefined, 'the id of the snapshot');
    },
  },
  {
    name: 'a finished job gives its status and the end; with its last cursor, 204',
    section: '§4',
    transports,
    run: async (lab, transport) => {
      for (const { live, events } of Object.values(lives)) {
        const queue = lab.queue();
        const whole = await lab.open(transport, { queue });
        const path = `/events/jobs/${await live(lab.rest, queue)}`;
        await whole.waitForStored(events.length);
        const stream = await lab.open(transport, { path });
        equal(await stream.waitForEnd(), 'end', 'how the stream ended');
        const status = events.findLast(([type]) => type === 'JobStatusChange')[2];
        equal(stream.messages.map(outline), [['JobStatusChange', '', status]], 'the events');
        const options = { path, lastEventId: whole.lastId };
        equal((await lab.refused(transport, options)).status, 204, 'the status');
        const headers = { 'last-event-id': whole.lastId };
        equal((await lab.refused(transport, { path, headers })).status, 204, 'the status');
      }
    },
  },
  {
    name: 'a job stream resumes after a cursor, without a snapshot',
    section: '§4',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const whole = await lab.open(transport, { queue });
      const id = await lives.completed.live(lab.rest, queue);
      await whole.waitForStored(4);
      const options = { path: `/events/jobs/${id}`, lastEventId: whole.stored[1].id };
      const stream = await lab.open(transport, options);
      equal(await stream.waitForEnd(), 'end', 'how the stream ended');
      equal(stream.messages.map(outline), lives.completed.events.slice(2), 'the events');
    },
  },
  {
    name: 'an unknown job is an Error event `Job not found`, then the end',
    section: '§6',
    transports,
    run: async (lab, transport) => {
      const path = '/events/jobs/00000000-0000-4000-8000-000000000000';
      const stream = await lab.open(transport, { path });
      equal(await stream.waitForEnd(), 'end', 'how the stream ended');
      const told = stream.messages.map(({ type, data }) => [type, data.message]);
      equal(told, [['Error', 'Job not found']], 'the events');
    },
  },
  {
    name: 'a queue stream begins with the counters, zeros for an unknown queue',
    section: '§4',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const path = `/events/queues/${queue}`;
      const stream = await lab.open(transport, { path });
      const first = await stream.waitFor(() => true, 'the counters');
      equal([first.type, first.id], ['QueueStats', undefined], 'type and id');
      equal(counts(first.data), [0, 0, 0, 0], 'the counters');
      await lives.completed.live(lab.rest, queue);
      await stream.waitForStored(4);
      const isDone = ({ type, data }) => type === 'QueueStats' && data.completed === 1;
      await stream.waitFor(isDone, 'the new counters');
      equal(stream.stored.map(outline), lives.completed.events, 'the job events');
      const again = await lab.open(transport, { path });
      const { data } = await again.waitForType('QueueStats');
      equal(counts(data), [0, 0, 1, 0], 'the counters of a new stream');
      check(stream.end === undefined, 'the stream has ended');
    },
  },
  {
    name: 'a queue stream resumes after a cursor',
    section: '§4',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const path = `/events/queues/${queue}`;
      const stream = await lab.open(transport, { path });
      const ids = await lab.rest.enqueueMany(queue, 3);
      await stream.waitForStored(3);
      const resumed = await lab.open(transport, { path, lastEventId: stream.stored[0].id });
      await resumed.waitForStored(2);
      await lab.quiet();
      equal(
        resumed.stored.map(({ data }) => data.job_id),
        ids.slice(1),
        'the jobs told of',
      );
    },
  },
];
