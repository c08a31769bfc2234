import { eventNames as contractNames } from '@spooled/contracts';

import { eventNames, passes, toEvent, type Envelope } from './events.js';

it('calls events what the contract calls them', () => {
  expect(eventNames).toEqual(contractNames);
});

it('leaves pings and tags that it does not know to the connection', () => {
  const data = { timestamp: 't' };
  expect(toEvent({ type: 'Ping', data })).toBeUndefined();
  expect(toEvent({ type: 'FromTheFuture', data })).toBeUndefined();
  expect(toEvent({ type: 'toString', data })).toBeUndefined();
});

it('makes an event of an envelope, and leaves a result as it is', () => {
  const data = { job_id: '1', queue_name: 'q', timestamp: 't', result: { some_key: 1 } };
  expect(toEvent({ type: 'JobCompleted', id: 'c-1', data })).toEqual({
    type: 'job.completed',
    id: 'c-1',
    timestamp: 't',
    data: { jobId: '1', queueName: 'q', timestamp: 't', result: { some_key: 1 } },
  });
});

describe('a filter', () => {
  const ofJob: Envelope = { type: 'JobCreated', data: { job_id: '1', queue_name: 'a' } };
  const ofWorker: Envelope = {
    type: 'WorkerHeartbeat',
    data: { worker_id: 'w', queue_name: 'a', current_job_id: '1' },
  };
  const ofAll: Envelope = { type: 'SystemHealth', data: { database: true } };

  it.each([
    [[], true, true],
    [[{ queue: 'a' }], true, true],
    [[{ queue: 'b' }], false, false],
    [[{ jobId: '1' }], true, true],
    [[{ jobId: '2' }], false, false],
    [[{ queue: 'a', jobId: '1' }], true, true],
    [[{ queue: 'b', jobId: '1' }], false, false],
    [[{ queue: 'b' }, { jobId: '1' }], true, true],
    [[{ workerId: 'w' }], true, true],
    [[{ workerId: 'v' }], true, false],
    [[{ queue: 'b', workerId: 'w' }], false, false],
  ])('%j', (filters, job, worker) => {
    expect(passes(filters, ofJob)).toBe(job);
    expect(passes(filters, ofWorker)).toBe(worker);
    expect(passes(filters, ofAll)).toBe(true);
  });
});
