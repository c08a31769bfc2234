import fc from 'fast-check';
import { EVENT_SHARDS, eventShard, eventSubject } from './subjects.js';

describe('the shard of an organization', () => {
  it('never changes: stored streams depend on it', () => {
    expect(eventShard('00000000-0000-0000-0000-000000000000')).toBe(1);
    expect(eventShard('0192f6c4-7f2a-7000-8000-0000000000ff')).toBe(5);
    expect(eventSubject('00000000-0000-0000-0000-000000000000')).toBe('spooled.v1.events.1');
  });

  it('is one of sixteen, and all of them are used evenly', () => {
    const counts = Array<number>(EVENT_SHARDS).fill(0);
    for (const id of fc.sample(fc.uuid({ version: [4, 7] }), { numRuns: 8000, seed: 1 })) {
      counts[eventShard(id)]! += 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(350);
    expect(Math.max(...counts)).toBeLessThan(650);
  });
});
