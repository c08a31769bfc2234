import fc from 'fast-check';
import { FixedWindows, TokenBuckets } from './rate-limits.js';

describe('token buckets', () => {
  it('allow a burst, then the rate', () => {
    const buckets = new TokenBuckets();
    for (let n = 0; n < 10; n += 1) expect(buckets.take('a', 5, 10, 0).isAllowed).toBe(true);
    expect(buckets.take('a', 5, 10, 0)).toEqual({
      isAllowed: false,
      limit: 10,
      remaining: 0,
      resetAtMs: 2000,
      retryAfterMs: 200,
    });
    expect(buckets.take('a', 5, 10, 199).isAllowed).toBe(false);
    expect(buckets.take('a', 5, 10, 200).isAllowed).toBe(true);
    expect(buckets.take('a', 5, 10, 200).isAllowed).toBe(false);
    // Never more than the capacity, however long it was quiet.
    expect(buckets.take('a', 5, 10, 1_000_000)).toMatchObject({ isAllowed: true, remaining: 9 });
  });

  it('are apart by name', () => {
    const buckets = new TokenBuckets();
    expect(buckets.take('a', 1, 1, 0).isAllowed).toBe(true);
    expect(buckets.take('a', 1, 1, 0).isAllowed).toBe(false);
    expect(buckets.take('b', 1, 1, 0).isAllowed).toBe(true);
  });

  it('never allow more than capacity plus rate times time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.nat({ max: 500 }), { maxLength: 200 }),
        (rate, capacity, gaps) => {
          const buckets = new TokenBuckets();
          let now = 0;
          let allowed = 0;
          for (const gap of gaps) {
            now += gap;
            const decision = buckets.take('a', rate, capacity, now);
            if (decision.isAllowed) allowed += 1;
            else expect(decision.retryAfterMs).toBeGreaterThan(0);
            expect(decision.remaining).toBeGreaterThanOrEqual(0);
            expect(decision.resetAtMs).toBeGreaterThanOrEqual(now);
          }
          expect(allowed).toBeLessThanOrEqual(capacity + (rate * now) / 1000 + 1e-6);
        },
      ),
    );
  });

  it('follow a plan that changed', () => {
    const buckets = new TokenBuckets();
    buckets.take('a', 1, 100, 0);
    expect(buckets.take('a', 1, 5, 0)).toMatchObject({ limit: 5, remaining: 4 });
  });

  it('remember the busy when a flood of names comes', () => {
    const buckets = new TokenBuckets();
    expect(buckets.take('busy', 0.001, 1, 0).isAllowed).toBe(true);
    for (let n = 0; n < 120_000; n += 1) {
      buckets.take(`stranger ${n}`, 1, 1, 0);
      if (n % 1000 === 0) expect(buckets.take('busy', 0.001, 1, 0).isAllowed).toBe(false);
    }
  });
});

describe('fixed windows', () => {
  it('allow so many in each window', () => {
    const windows = new FixedWindows();
    for (let n = 0; n < 3; n += 1) expect(windows.take('a', 3, 1000, 100).isAllowed).toBe(true);
    expect(windows.take('a', 3, 1000, 600)).toEqual({
      isAllowed: false,
      limit: 3,
      remaining: 0,
      resetAtMs: 1100,
      retryAfterMs: 500,
    });
    expect(windows.take('a', 3, 1000, 1100)).toMatchObject({ isAllowed: true, remaining: 2 });
    expect(windows.take('b', 3, 1000, 600).isAllowed).toBe(true);
  });

  it('remember the busy when a flood of names comes', () => {
    const windows = new FixedWindows();
    windows.take('busy', 1, 60_000, 0);
    for (let n = 0; n < 120_000; n += 1) {
      windows.take(`stranger ${n}`, 1, 60_000, 0);
      if (n % 1000 === 0) expect(windows.take('busy', 1, 60_000, 0).isAllowed).toBe(false);
    }
  });
});
