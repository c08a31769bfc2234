/** One filter language, and never more than the credential may see. */
import { check, equal } from '../assert.mjs';
import { lives } from '../lives.mjs';
import { transports } from '../lab.mjs';

const jobIds = (stream) => stream.stored.map(({ data }) => data.job_id);

export const filters = [
  {
    name: 'a queue filter lets pass what is of that queue, and nothing else',
    section: '§3',
    transports,
    run: async (lab, transport) => {
      const [mine, other] = [lab.queue(), lab.queue()];
      const stream = await lab.open(transport, { queue: mine });
      await lab.rest.enqueueMany(other, 3);
      const id = await lab.rest.enqueue(mine);
      await stream.waitForEventOf(id);
      equal(jobIds(stream), [id], 'the jobs told of');
    },
  },
  {
    name: 'a job filter lets pass what is of that job, and nothing else',
    section: '§3',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const [mine, other] = await lab.rest.enqueueMany(queue, 2);
      const stream = await lab.open(transport, { jobId: mine });
      await lab.rest.cancel(other);
      await lab.rest.cancel(mine);
      await stream.waitForEventOf(mine);
      equal(jobIds(stream), [mine], 'the jobs told of');
    },
  },
  {
    name: 'event filters take dotted names, tags and the alias, in any case',
    section: '§1',
    transports,
    run: async (lab, transport) => {
      const wanted = {
        'JOB.completed': ['JobCompleted'],
        jobCompleted: ['JobCompleted'],
        'job.status_changed': ['JobStatusChange', 'JobStatusChange'],
        'job.status': ['JobStatusChange', 'JobStatusChange'],
        '*': ['JobCreated', 'JobStatusChange', 'JobStatusChange', 'JobCompleted'],
      };
      const queue = lab.queue();
      const opened = await Promise.all(
        Object.keys(wanted).map((name) => lab.open(transport, { queue, events: [name] })),
      );
      const every = opened.at(-1);
      await lives.completed.live(lab.rest, queue);
      await every.waitForStored(4);
      await lab.quiet();
      for (const [index, [name, types]] of Object.entries(wanted).entries()) {
        equal(
          opened[index].stored.map(({ type }) => type),
          types,
          `the events of ${name}`,
        );
      }
    },
  },
  {
    name: 'a worker filter binds the events about workers only',
    section: '§1',
    transports: ['websocket', 'sse'],
    run: async (lab, transport) => {
      const queue = lab.queue();
      const mine = await lab.worker(queue);
      const other = await lab.worker(queue);
      const stream = await lab.open(transport, { queue, workerId: mine });
      await lab.rest.heartbeat(other);
      const id = await lab.rest.enqueue(queue);
      await lab.rest.heartbeat(mine);
      await stream.waitForType('WorkerHeartbeat');
      await stream.waitForEventOf(id);
      const workers = stream.messages.flatMap(({ type, data }) =>
        type === 'WorkerHeartbeat' ? data.worker_id : [],
      );
      equal(workers, [mine], 'the workers told of');
    },
  },
  {
    name: 'an event passes that matches any of several queues and jobs',
    section: 'grpc §9',
    transports: ['grpc'],
    run: async (lab, transport) => {
      const [first, second, third] = [lab.queue(), lab.queue(), lab.queue()];
      const [job, other] = await lab.rest.enqueueMany(third, 2);
      const stream = await lab.open(transport, { queue: [first, second], jobId: [job] });
      await lab.rest.cancel(other);
      await lab.rest.cancel(job);
      const expected = [job, await lab.rest.enqueue(first), await lab.rest.enqueue(second)];
      await stream.waitForStored(3);
      equal(jobIds(stream).sort(), expected.sort(), 'the jobs told of');
    },
  },
  {
    name: 'without a filter everything of the organization passes',
    section: '§3',
    transports,
    run: async (lab, transport) => {
      const stream = await lab.open(transport);
      for (const queue of [lab.queue(), lab.queue()]) {
        await stream.waitForEventOf(await lab.rest.enqueue(queue));
      }
    },
  },
  {
    name: 'a key scoped to queues sees those only, and may ask for no other',
    section: '§5',
    transports,
    run: async (lab, transport) => {
      const [mine, other] = [lab.queue(), lab.queue()];
      const { key: credential } = await lab.key({ queues: [mine] });
      const stream = await lab.open(transport, { credential });
      await lab.rest.enqueueMany(other, 2);
      await lab.worker(other);
      const id = await lab.rest.enqueue(mine);
      await stream.waitForEventOf(id);
      equal(jobIds(stream), [id], 'the jobs told of');
      const refusal = await lab.refused(transport, { credential, queue: other });
      if (transport === 'grpc') equal(refusal.status, 'PERMISSION_DENIED', 'the status');
      else equal([refusal.status, refusal.code], [403, 'ACCESS_DENIED'], 'the refusal');
    },
  },
  {
    name: 'a job or queue out of scope is not shown',
    section: '§6',
    transports: ['sse'],
    run: async (lab, transport) => {
      const [mine, other] = [lab.queue(), lab.queue()];
      const { key: credential } = await lab.key({ queues: [mine] });
      const id = await lab.rest.enqueue(other);
      const path = `/events/queues/${other}`;
      equal((await lab.refused(transport, { credential, path })).status, 403, 'the status');
      const stream = await lab.open(transport, { credential, path: `/events/jobs/${id}` });
      await stream.waitForEnd();
      equal(
        stream.messages.map(({ type }) => type),
        ['Error'],
        'the events',
      );
      check(stream.messages[0].data.message === 'Job not found', 'the error does not say so');
    },
  },
];
