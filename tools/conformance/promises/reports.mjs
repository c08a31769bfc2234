/** What workers report of the jobs they are at: told to those who ask for it by name. */
import { check, equal, Skip } from '../assert.mjs';
import { transports } from '../lab.mjs';
import { Refusal } from '../refusal.mjs';
import { MAX_EVENT_BYTES } from '../stream.mjs';

const named = ['job.progress', 'job.log'];
const reportTypes = ['JobProgress', 'JobLog'];
const reportsOf = (stream) => stream.messages.filter(({ type }) => reportTypes.includes(type));

/** A leased job of the queue. */
async function leased(lab, queue) {
  await lab.rest.enqueue(queue);
  const [job] = await lab.rest.claim(queue);
  return job;
}

/** @throws Skip when the server has no such route: the holder of a lease is told 404 for no other reason */
async function unlessUnknown(call) {
  try {
    return await call;
  } catch (error) {
    const isUnknown = error instanceof Refusal && error.status === 404;
    throw isUnknown ? new Skip('the server takes no progress and no logs of jobs') : error;
  }
}

export const reports = [
  {
    name: 'progress and logs of a job are told without a cursor to those who name them, and to nobody else',
    section: '§2',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const asking = await lab.open(transport, { queue, events: named });
      const others = [
        await lab.open(transport, { queue }),
        await lab.open(transport, { queue, events: ['*'] }),
      ];
      const job = await leased(lab, queue);
      await unlessUnknown(lab.rest.reportProgress(job, 12.5, 'began'));
      await unlessUnknown(lab.rest.appendLog(job, ['one', 'two']));
      const log = await asking.waitForType('JobLog');
      const progress = await asking.waitForType('JobProgress');
      const { job_id, queue_name, offset, lines } = log.data;
      equal([job_id, queue_name, offset, lines], [job.id, queue, 0, ['one', 'two']], 'the log');
      const { percent, message } = progress.data;
      equal([progress.data.job_id, percent, message], [job.id, 12.5, 'began'], 'the progress');
      equal([log.id, progress.id], [undefined, undefined], 'their cursors');
      const last = await lab.rest.enqueue(queue);
      for (const other of others) {
        await other.waitForEventOf(last);
        equal(reportsOf(other), [], 'what is told to who did not ask');
      }
    },
  },
  {
    name: 'progress of a job is told at most once a second, the last one always',
    section: '§2',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const stream = await lab.open(transport, { queue, events: named });
      const job = await leased(lab, queue);
      const startedAt = performance.now();
      for (const percent of [10, 20, 30, 40, 50, 60]) {
        await unlessUnknown(lab.rest.reportProgress(job, percent));
      }
      await stream.waitFor(({ data }) => data?.percent === 60, 'the last progress');
      const told = reportsOf(stream).length;
      const seconds = (performance.now() - startedAt) / 1000;
      check(told <= Math.floor(seconds) + 2, `${told} JobProgress in ${seconds.toFixed(1)} s`);
    },
  },
  {
    name: 'log lines are told whole, with the offsets they are read by, in events of at most 30 KiB',
    section: '§2',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const stream = await lab.open(transport, { queue, events: named });
      const job = await leased(lab, queue);
      const long = Array.from({ length: 20 }, (_, index) => `${index} ${'x'.repeat(4000)}`);
      for (const lines of [['first'], long, ['last']]) {
        await unlessUnknown(lab.rest.appendLog(job, lines));
      }
      const isLast = ({ data }) => data?.lines?.includes('last');
      await stream.waitFor(isLast, 'the last line');
      const read = await lab.rest.call('GET', `/jobs/${job.id}/logs?limit=100`);
      const told = [];
      const inOrder = reportsOf(stream).sort((a, b) => a.data.offset - b.data.offset);
      for (const { data } of inOrder) {
        equal(data.offset, told.length, 'the offset');
        told.push(...data.lines);
        const bytes = Buffer.byteLength(JSON.stringify({ type: 'JobLog', data }));
        check(bytes <= MAX_EVENT_BYTES, `a JobLog has ${bytes} bytes`);
      }
      equal(
        told,
        read.map(({ line }) => line),
        'the lines',
      );
    },
  },
  {
    name: 'a job stream has progress and logs when they are named',
    section: '§4',
    transports: ['sse'],
    run: async (lab, transport) => {
      const job = await leased(lab, lab.queue());
      const path = `/events/jobs/${job.id}`;
      const plain = await lab.open(transport, { path });
      const asking = await lab.open(transport, { path, events: named });
      await unlessUnknown(lab.rest.reportProgress(job, 100));
      await asking.waitForType('JobProgress');
      await lab.rest.complete(job);
      equal(await asking.waitForEnd(), 'end', 'how the stream ended');
      await plain.waitForEnd();
      equal(reportsOf(plain), [], 'what is told to who did not ask');
    },
  },
];
