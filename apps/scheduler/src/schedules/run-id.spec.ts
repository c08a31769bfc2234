import { isUuid } from '@spooled/contracts';
import { randomUUID } from 'node:crypto';
import { firstRunIdAt, tickRunId, triggeredRunId } from './run-id.js';

const tick = new Date('2026-11-24T09:00:00Z');

describe('the id of a run', () => {
  it('is made of schedule and tick alone', () => {
    const schedule = '0198aaaa-0000-7000-8000-000000000000';
    expect(tickRunId(schedule, tick)).toBe(tickRunId(schedule, new Date(tick)));
    expect(tickRunId(schedule, tick)).toMatchInlineSnapshot(
      `"01a20cc8-8e80-7584-82b7-8e3c58c497c0"`,
    );
  });

  it('is another one for each schedule and each tick', () => {
    const ids = new Set<string>();
    for (let count = 0; count < 100; count += 1) {
      const schedule = randomUUID();
      for (let second = 0; second < 10; second += 1) {
        ids.add(tickRunId(schedule, new Date(tick.getTime() + second * 1000)));
      }
      ids.add(triggeredRunId());
    }
    expect(ids.size).toBe(1100);
  });

  it('is a UUIDv7, in the order of time', () => {
    for (let count = 0; count < 100; count += 1) {
      const id = tickRunId(randomUUID(), tick);
      expect(isUuid(id)).toBe(true);
      expect(id[14]).toBe('7');
      expect(id >= firstRunIdAt(tick.getTime())).toBe(true);
      expect(id < firstRunIdAt(tick.getTime() + 1)).toBe(true);
    }
    const before = Date.now();
    expect(triggeredRunId() >= firstRunIdAt(before)).toBe(true);
  });
});
