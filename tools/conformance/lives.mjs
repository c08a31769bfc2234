/** Lives of a job, and the events that each must cause. */
import { equal } from './assert.mjs';

const created = ['JobCreated', '', 'pending'];
const claimed = ['JobStatusChange', 'pending', 'processing'];

export const lives = {
  completed: {
    live: async (rest, queue) => {
      const id = await rest.enqueue(queue);
      await rest.complete(await claimOne(rest, queue, id), { answer: 42, list: [1, 'two', null] });
      return id;
    },
    events: [created, claimed, ['JobStatusChange', 'processing', 'completed'], ['JobCompleted']],
    revs: [1, 2, 3, 3],
  },
  'failed for good': {
    live: async (rest, queue) => {
      const id = await rest.enqueue(queue, { max_retries: 0 });
      await rest.fail(await claimOne(rest, queue, id));
      return id;
    },
    events: [created, claimed, ['JobStatusChange', 'processing', 'deadletter'], ['JobFailed']],
    revs: [1, 2, 3, 3],
  },
  'failed, then cancelled': {
    live: async (rest, queue) => {
      const id = await rest.enqueue(queue, { max_retries: 3 });
      await rest.fail(await claimOne(rest, queue, id));
      await rest.cancel(id);
      return id;
    },
    events: [
      created,
      claimed,
      ['JobStatusChange', 'processing', 'pending'],
      ['JobFailed'],
      ['JobStatusChange', 'pending', 'cancelled'],
    ],
    revs: [1, 2, 3, 3, 4],
  },
  cancelled: {
    live: async (rest, queue) => {
      const id = await rest.enqueue(queue);
      await rest.cancel(id);
      return id;
    },
    events: [created, ['JobStatusChange', 'pending', 'cancelled']],
    revs: [1, 2],
  },
};

/** What `lives` says of an event. */
export function outline({ type, data }) {
  if (type === 'JobCreated') return [type, '', data.status];
  return type === 'JobStatusChange' ? [type, data.old_status, data.new_status] : [type];
}

export function revs(messages) {
  return messages.map(({ data }) => data.rev);
}

/** A job may become ready a moment after another one was claimed. */
async function claimOne(rest, queue, id) {
  for (let tries = 0; tries < 20; tries++) {
    const [job] = await rest.claim(queue);
    if (job === undefined) continue;
    equal(job.id, id, 'the claimed job');
    return job;
  }
  throw new Error(`the job ${id} could not be claimed`);
}
