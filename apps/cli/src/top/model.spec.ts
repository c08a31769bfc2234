import type { SpooledEvent } from '@spooled/sdk';

import { painter } from '../output/style.js';
import { widthOf } from '../output/text.js';
import { TopModel } from './model.js';
import { screen } from './screen.js';

const now = 1_700_000_000_500;

function event(type: SpooledEvent['type'], data: object): SpooledEvent {
  return { type, id: undefined, timestamp: '', data } as unknown as SpooledEvent;
}
const created = (jobId: string) =>
  event('job.created', { jobId, queueName: 'q', status: 'pending', priority: 0 });

describe('the model of top', () => {
  it('counts what happened within ten seconds', () => {
    const model = new TopModel();
    for (let index = 0; index < 20; index += 1) model.apply(created(`j${index}`), now);
    expect(model.rate('q', 'created', now)).toBe(2);
    expect(model.rate('q', 'created', now + 9_000)).toBe(2);
    expect(model.rate('q', 'created', now + 11_000)).toBe(0);
    expect(model.rate('nowhere', 'created', now)).toBe(0);
  });

  it('takes counts of queues as they are told, and forgets workers that left', () => {
    const model = new TopModel();
    const told = { queueName: 'q', pending: 3, processing: 2, failed: 1, paused: true };
    model.apply(event('queue.stats', told), now);
    expect(model.queues.get('q')).toMatchObject({ pending: 3, processing: 2, paused: true });
    model.apply(event('queue.resumed', { queueName: 'q' }), now);
    expect(model.queues.get('q')).toMatchObject({ paused: false });
    model.apply(event('worker.registered', { workerId: 'w', queueName: 'q' }), now);
    const beat = { workerId: 'w', queueName: 'q', status: 'draining', currentJobs: 2 };
    model.apply(event('worker.heartbeat', beat), now);
    expect(model.workers.get('w')).toMatchObject({ status: 'draining', currentJobs: 2 });
    model.apply(event('worker.deregistered', { workerId: 'w', queueName: 'q' }), now);
    expect(model.workers.size).toBe(0);
  });

  it('remembers the jobs that changed last, and no more than it shows', () => {
    const model = new TopModel();
    for (let index = 0; index < 200; index += 1) model.apply(created(`j${index}`), now);
    model.apply(
      event('job.status', { jobId: 'j150', queueName: 'q', newStatus: 'completed' }),
      now,
    );
    expect([...model.jobs.keys()].at(-1)).toBe('j150');
    expect(model.jobs.size).toBe(50);
  });

  it('starts anew after a gap', () => {
    const model = new TopModel();
    model.apply(created('j'), now);
    model.reset([{ name: 'other', pending: 1, processing: 0, failed: null, paused: false }], []);
    expect([...model.queues.keys()]).toEqual(['other']);
  });
});

it.each([
  [80, 24],
  [40, 10],
])('fits a terminal of %i columns and %i lines', (width, rows) => {
  const model = new TopModel();
  for (let index = 0; index < 100; index += 1) {
    const queueName = `queue-${index}`;
    model.apply(event('queue.stats', { queueName, pending: index, processing: 0, failed: 0 }), now);
    model.apply(event('worker.registered', { workerId: `w${index}`, queueName }), now);
    model.apply(created(`j${index}`), now);
  }
  const frame = { model, server: 'http://localhost', state: 'live', now };
  const lines = screen(frame, { width, paint: painter(false) }, rows).split('\n');
  expect(lines.length).toBeLessThanOrEqual(Math.max(rows, 12));
  if (width >= 80) for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
});
