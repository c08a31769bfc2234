import type { SpooledEvent } from '@spooled/sdk';

import { deadLettersResource, type DeadLetterRow } from './dead-letters.js';

const at = (second: number) => `2026-01-01T00:00:0${second}.000Z`;
const row: DeadLetterRow = {
  id: 'old',
  queueName: 'q',
  lastError: 'x',
  diedAt: at(1),
  retryCount: 3,
  payload: {},
};
function event(type: string, second: number, data: object): SpooledEvent {
  const timestamp = at(second);
  return {
    type,
    timestamp,
    id: undefined,
    data: { queueName: 'q', timestamp, ...data },
  } as unknown as SpooledEvent;
}
const died = (jobId: string, second: number, queueName = 'q') => [
  event('job.status', second, {
    jobId,
    queueName,
    oldStatus: 'processing',
    newStatus: 'deadletter',
  }),
  event('job.failed', second, { jobId, queueName, error: 'boom', retryCount: 2, willRetry: false }),
];
const apply = (events: SpooledEvent[], filter = {}) =>
  deadLettersResource({ queueName: 'q', tag: '', page: 1, ...filter }).apply!([row], events);
const ids = (rows: readonly DeadLetterRow[]) => rows.map(({ id }) => id);

it('takes in what dies, newest first, with its error, and twice as good as once', () => {
  const rows = apply([...died('new', 2), ...died('new', 2)]);
  expect(ids(rows)).toEqual(['new', 'old']);
  expect(rows[0]).toMatchObject({ lastError: 'boom', retryCount: 2, payload: undefined });
});

it('takes in nothing of other queues, on later pages, or while a tag is asked for', () => {
  expect(ids(apply(died('new', 2, 'other')))).toEqual(['old']);
  expect(ids(apply(died('new', 2), { page: 2 }))).toEqual(['old']);
  expect(ids(apply(died('new', 2), { tag: 'vip' }))).toEqual(['old']);
});

it('lets go what is retried, and all of a queue that has none any more', () => {
  const retried = event('job.status', 3, {
    jobId: 'old',
    oldStatus: 'deadletter',
    newStatus: 'pending',
  });
  expect(apply([retried])).toEqual([]);
  expect(apply([event('queue.stats', 3, { deadletter: 0 })])).toEqual([]);
  expect(ids(apply([event('queue.stats', 3, { deadletter: 1 })]))).toEqual(['old']);
});

it('is the same list when nothing of it changed', () => {
  const rows = [row];
  const resource = deadLettersResource({ queueName: 'q', tag: '', page: 1 });
  expect(resource.apply!(rows, [event('job.created', 2, { jobId: 'n' })])).toBe(rows);
});
