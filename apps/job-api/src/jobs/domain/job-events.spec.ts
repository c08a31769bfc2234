import { MAX_EVENT_BYTES, storedEvent, type StoredEvent } from '@spooled/contracts';
import fc from 'fast-check';
import { jobCompleted, jobCreated, jobFailed, statusChanged } from './job-events.js';

const at = new Date('2026-01-02T03:04:05.678Z');
const transition = {
  organizationId: '0192f6c4-7f2a-7000-8000-0000000000aa',
  jobId: '0192f6c4-7f2a-7000-8000-0000000000bb',
  queueName: 'emails',
  rev: 4,
  at,
};
const subject = {
  job_id: transition.jobId,
  queue_name: 'emails',
  timestamp: '2026-01-02T03:04:05.678Z',
  rev: 4,
};
const bytesOf = (event: StoredEvent) => Buffer.byteLength(JSON.stringify(event));

describe('the events of a job', () => {
  it('tell that it was created', () => {
    const plain = { workflowId: null, scheduleId: null };
    expect(jobCreated(transition, -3, 'scheduled', plain)).toEqual({
      type: 'JobCreated',
      data: { ...subject, priority: -3, status: 'scheduled' },
    });
    expect(jobCreated(transition, 0, 'pending', { workflowId: 'w', scheduleId: 's' })).toEqual({
      type: 'JobCreated',
      data: { ...subject, priority: 0, status: 'pending', workflow_id: 'w', schedule_id: 's' },
    });
  });

  it('tell a change of status, with the worker and the reason when there are any', () => {
    expect(statusChanged(transition, 'pending', 'cancelled')).toEqual({
      type: 'JobStatusChange',
      data: { ...subject, old_status: 'pending', new_status: 'cancelled' },
    });
    const more = { workerId: 'w', reason: 'lease_expired' };
    expect(statusChanged(transition, 'processing', 'pending', more).data).toMatchObject({
      worker_id: 'w',
      reason: 'lease_expired',
    });
    expect(
      statusChanged(transition, 'pending', 'pending', { workerId: null }).data,
    ).not.toHaveProperty('worker_id');
  });

  it('tell a completion after its change of status, with the same revision', () => {
    const startedAt = new Date(at.getTime() - 1500);
    expect(jobCompleted(transition, { workerId: 'w', startedAt, resultJson: '{"a":1}' })).toEqual([
      statusChanged(transition, 'processing', 'completed', { workerId: 'w' }),
      {
        type: 'JobCompleted',
        data: { ...subject, duration_ms: 1500, worker_id: 'w', result: { a: 1 } },
      },
    ]);
  });

  it('leave out a result that was not given, and keep one that is null', () => {
    const settle = (resultJson: string | null) =>
      jobCompleted(transition, { workerId: 'w', startedAt: at, resultJson })[1]!.data;
    expect(settle(null)).not.toHaveProperty('result');
    expect(settle('null')).toHaveProperty('result', null);
  });

  it('never tell a negative duration', () => {
    const startedAt = new Date(at.getTime() + 5);
    const [, completed] = jobCompleted(transition, { workerId: 'w', startedAt, resultJson: null });
    expect(completed!.data).toMatchObject({ duration_ms: 0 });
  });

  it('keep the digits of a result', () => {
    const resultJson = '{"n":123456789012345678901}';
    const [, completed] = jobCompleted(transition, { workerId: 'w', startedAt: at, resultJson });
    expect(JSON.stringify(completed)).toContain('123456789012345678901');
  });

  it('tell a failure that will be tried again, and one that will not', () => {
    const failure = { workerId: 'w', error: 'boom', retryCount: 2 };
    const nextRetryAt = new Date('2026-01-02T03:05:00Z');
    expect(jobFailed(transition, { ...failure, nextRetryAt })).toEqual([
      statusChanged(transition, 'processing', 'pending', { workerId: 'w' }),
      {
        type: 'JobFailed',
        data: {
          ...subject,
          error: 'boom',
          retry_count: 2,
          will_retry: true,
          next_retry_at: '2026-01-02T03:05:00.000Z',
          worker_id: 'w',
        },
      },
    ]);
    const [changed, failed] = jobFailed(transition, { ...failure, nextRetryAt: null });
    expect(changed!.data).toMatchObject({ new_status: 'deadletter' });
    expect(failed!.data).toMatchObject({ will_retry: false });
    expect(failed!.data).not.toHaveProperty('next_retry_at');
  });

  it('cut an error after 2048 characters', () => {
    const failure = { workerId: 'w', error: 'x'.repeat(5000), retryCount: 0, nextRetryAt: null };
    const [, failed] = jobFailed(transition, failure);
    expect(failed!.data).toMatchObject({ error: 'x'.repeat(2048) });
  });

  it('are never larger than 30 KiB, and say when a result was left out', () => {
    const texts = fc
      .tuple(fc.constantFrom('x', '"', '\\', 'ü', '字', '😀', '\u0001'), fc.nat({ max: 31_000 }))
      .map(([letter, length]) => letter.repeat(length));
    fc.assert(
      fc.property(texts, fc.constantFrom('w', '\u0001', '字'), (result, letter) => {
        const large = {
          ...transition,
          queueName: 'q'.repeat(100),
        };
        const workerId = letter.repeat(255);
        const events = [
          ...jobCompleted(large, { workerId, startedAt: at, resultJson: JSON.stringify(result) }),
          ...jobFailed(large, { workerId, error: result, retryCount: 1, nextRetryAt: at }),
        ];
        for (const event of events) {
          expect(storedEvent.safeParse(event).success).toBe(true);
          expect(bytesOf(event)).toBeLessThanOrEqual(MAX_EVENT_BYTES);
        }
        const data = events[1]!.data as { result?: unknown; result_truncated?: true };
        if (data.result_truncated) expect(data).not.toHaveProperty('result');
        else expect(data.result).toBe(result);
        // What is far below the limit stays.
        if (JSON.stringify(result).length < 20_000 && result.length < 5000) {
          expect(data.result).toBe(result);
        }
      }),
    );
  });
});
