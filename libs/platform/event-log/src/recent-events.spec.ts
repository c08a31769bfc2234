import type { FeedEvent } from './organization-feed.js';
import { RecentEvents } from './recent-events.js';

function run(first: number, length: number, error = 'x'): FeedEvent[] {
  return Array.from({ length }, (_, index) => ({
    seq: first + index,
    event: {
      type: 'JobFailed',
      data: {
        job_id: 'j',
        queue_name: 'q',
        error,
        retry_count: 0,
        timestamp: '',
        rev: 1,
        will_retry: false,
        worker_id: 'w',
      },
    },
  }));
}
const seqs = (events: readonly FeedEvent[] | undefined) => events?.map(({ seq }) => seq);

describe('the recent events', () => {
  it('give any range they hold, exactly', () => {
    const recent = new RecentEvents();
    recent.push(run(11, 5));
    recent.push(run(16, 5));
    expect(seqs(recent.between(10, 20))).toEqual(seqs(run(11, 10)));
    expect(seqs(recent.between(13, 17))).toEqual([14, 15, 16, 17]);
    expect(seqs(recent.between(19, 20))).toEqual([20]);
    expect(seqs(recent.between(20, 20))).toEqual([]);
  });

  it('give nothing of a range they do not hold completely', () => {
    const recent = new RecentEvents();
    expect(recent.between(0, 1)).toBeUndefined();
    recent.push(run(11, 5));
    expect(recent.between(9, 12)).toBeUndefined();
    expect(recent.between(12, 16)).toBeUndefined();
    recent.clear();
    expect(recent.between(10, 15)).toBeUndefined();
  });

  it('forget the oldest, not the newest, and stay dense', () => {
    const recent = new RecentEvents();
    for (let batch = 0; batch < 400; batch += 1) recent.push(run(1 + batch * 50, 50));
    expect(recent.between(0, 20_000)).toBeUndefined();
    expect(seqs(recent.between(20_000 - 4000, 20_000))).toEqual(seqs(run(16_001, 4000)));
  });

  it('take a bounded amount of memory whatever the events hold', () => {
    const recent = new RecentEvents();
    const large = 'x'.repeat(2048);
    for (let batch = 0; batch < 200; batch += 1) recent.push(run(1 + batch * 100, 100, large));
    expect(recent.between(20_000 - 10_000, 20_000)).toBeUndefined();
    expect(recent.between(20_000 - 1000, 20_000)).toHaveLength(1000);
  });
});
