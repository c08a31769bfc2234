import fc from 'fast-check';
import { FixedWindows, TokenBuckets, type LimiterEvents } from './rate-limits.js';

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

  it.each([
    ['a larger plan', { rate: 5, burst: 10 }, { rate: 100, burst: 200 }, 190],
    ['a smaller plan', { rate: 100, burst: 200 }, { rate: 5, burst: 10 }, 0],
    ['a smaller plan that was hardly used', { rate: 1, burst: 200 }, { rate: 5, burst: 100 }, 90],
  ])('follow %s with the next request', (_, before, after, left) => {
    const buckets = new TokenBuckets();
    for (let n = 0; n < 10; n += 1) buckets.take('a', before.rate, before.burst, 0);
    const changed = buckets.look('a', after.rate, after.burst, 0);
    expect(changed).toMatchObject({ limit: after.burst, remaining: left });
    // Whatever was used before, one refill of the new plan is the longest wait.
    for (let n = 0; n < 500; n += 1) buckets.take('a', before.rate, before.burst, 0);
    const { retryAfterMs } = buckets.look('a', after.rate, after.burst, 0);
    expect(retryAfterMs).toBeLessThanOrEqual(((after.burst + 1) / after.rate) * 1000);
  });

  it('survive a clock that is set back, and a rate of nothing', () => {
    const buckets = new TokenBuckets();
    expect(buckets.take('a', 1, 2, 10_000).remaining).toBe(1);
    expect(buckets.take('a', 1, 2, 0).remaining).toBe(0);
    expect(buckets.take('a', 1, 2, 1000).isAllowed).toBe(true);
    for (const rate of [0, -1, 1e-300]) {
      expect(buckets.take(`b ${rate}`, rate, 1).isAllowed).toBe(true);
      const refused = buckets.take(`b ${rate}`, rate, 1);
      expect(refused.isAllowed).toBe(false);
      expect(new Date(refused.resetAtMs).toISOString()).toMatch(/Z$/);
    }
  });

  it('can be looked at without being used', () => {
    const buckets = new TokenBuckets();
    for (let n = 0; n < 5; n += 1) expect(buckets.look('a', 1, 2, 0).remaining).toBe(2);
    expect(buckets.takeUntold()).toEqual([]);
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
  it('allow so many in each window of the wall clock', () => {
    const windows = new FixedWindows();
    for (let n = 0; n < 3; n += 1) expect(windows.take('a', 3, 1000, 5100).isAllowed).toBe(true);
    expect(windows.take('a', 3, 1000, 5600)).toEqual({
      isAllowed: false,
      limit: 3,
      remaining: 0,
      resetAtMs: 6000,
      retryAfterMs: 400,
    });
    expect(windows.take('b', 3, 1000, 5999).isAllowed).toBe(true);
    expect(windows.take('a', 3, 1000, 6000)).toMatchObject({ isAllowed: true, remaining: 2 });
  });

  it('follow a limit that changed with the next request', () => {
    const windows = new FixedWindows();
    for (let n = 0; n < 3; n += 1) windows.take('a', 10, 1000, 0);
    expect(windows.take('a', 2, 1000, 0)).toMatchObject({ isAllowed: false, remaining: 0 });
    expect(windows.take('a', 5, 1000, 0)).toMatchObject({ isAllowed: true, remaining: 1 });
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

describe('what a limiter has to tell', () => {
  it('is what it let through since it last told, by name', () => {
    const buckets = new TokenBuckets();
    for (const name of ['a', 'b', 'a']) buckets.take(name, 5, 2, 0);
    expect(buckets.take('a', 5, 2, 0).isAllowed).toBe(false);
    expect(buckets.takeUntold()).toEqual([
      ['a', 2, 5, 2],
      ['b', 1, 5, 2],
    ]);
    expect(buckets.takeUntold()).toEqual([]);
    const windows = new FixedWindows();
    windows.take('a', 5, 1000, 900);
    windows.take('a', 5, 1000, 1100);
    expect(windows.takeUntold()).toEqual([
      ['a', 1, 1000],
      ['a', 1, 2000],
    ]);
  });

  it('is bounded when nobody fetches it, and names nothing that is too long to be told', () => {
    const windows = new FixedWindows();
    for (let n = 0; n < 120_000; n += 1) windows.take(`stranger ${n}`, 1, 60_000, 0);
    expect(windows.takeUntold()).toHaveLength(50_000);
    const long = 'x'.repeat(101);
    expect(windows.take(long, 1, 60_000, 0).isAllowed).toBe(true);
    expect(windows.take(long, 1, 60_000, 0).isAllowed).toBe(false);
    expect(windows.takeUntold()).toEqual([]);
  });

  it.each([
    [1, 1],
    [5, 1],
    [10, 2],
    [100, 20],
  ])('of an allowance of %d is urgent from request %d on', (limit, first) => {
    const urgentOf = (run: (events: LimiterEvents) => () => void): number[] => {
      const seen: number[] = [];
      let taken = 0;
      const take = run({ refused: () => undefined, tight: () => seen.push(taken) });
      for (taken = 1; taken <= limit + 2; taken += 1) take();
      return seen;
    };
    const expected = Array.from({ length: limit - first + 1 }, (_, n) => first + n);
    const ofWindow = urgentOf((events) => {
      const windows = new FixedWindows(events);
      return () => windows.take('a', limit, 60_000, 0);
    });
    const ofBucket = urgentOf((events) => {
      const buckets = new TokenBuckets(events);
      return () => buckets.take('a', 1, limit, 0);
    });
    expect({ ofWindow, ofBucket }).toEqual({ ofWindow: expected, ofBucket: expected });
  });

  it('counts a refusal as one, and no look', () => {
    let refused = 0;
    const windows = new FixedWindows({ refused: () => (refused += 1), tight: () => undefined });
    windows.take('a', 1, 60_000, 0);
    windows.look('a', 1, 60_000, 0);
    expect(refused).toBe(0);
    windows.take('a', 1, 60_000, 0);
    expect(refused).toBe(1);
  });
});

describe('what a limiter hears', () => {
  it('counts as its own, and is not told again', () => {
    const buckets = new TokenBuckets();
    buckets.take('a', 0.001, 10, 0);
    buckets.takeUntold();
    buckets.hear(['a', 4, 0.001, 10], 0);
    expect(buckets.take('a', 0.001, 10, 0).remaining).toBe(4);
    expect(buckets.takeUntold()).toEqual([['a', 1, 0.001, 10]]);
    const windows = new FixedWindows();
    windows.hear(['a', 4, 60_000], 1000);
    expect(windows.take('a', 5, 60_000, 1000)).toMatchObject({ isAllowed: true, remaining: 0 });
    expect(windows.take('a', 5, 60_000, 1000).isAllowed).toBe(false);
    expect(windows.takeUntold()).toEqual([['a', 1, 60_000]]);
  });

  it('of a window that is over, or has not begun, changes nothing', () => {
    const windows = new FixedWindows();
    windows.take('a', 3, 1000, 5100);
    for (const endsAtMs of [4000, 5000, 7000, 60_000]) windows.hear(['a', 3, endsAtMs], 5200);
    expect(windows.look('a', 3, 1000, 5300).remaining).toBe(2);
    // Nor where the name was not known.
    windows.hear(['b', 3, 7000], 5200);
    expect(windows.look('b', 3, 1000, 5300).remaining).toBe(3);
  });

  it('at once of many processes makes nobody wait longer than for one refill', () => {
    const buckets = new TokenBuckets();
    for (let n = 0; n < 50; n += 1) buckets.hear(['a', 10, 5, 10], 0);
    const { isAllowed, retryAfterMs, remaining } = buckets.look('a', 5, 10, 0);
    expect({ isAllowed, remaining }).toEqual({ isAllowed: false, remaining: 0 });
    expect(retryAfterMs).toBeLessThanOrEqual(2200);
  });

  interface Step {
    readonly gapMs: number;
    readonly process: number;
    readonly act: 'take' | 'tell' | 'lose';
  }
  const steps = fc.array(
    fc.record<Step>({
      gapMs: fc.nat({ max: 60 }),
      process: fc.nat({ max: 2 }),
      act: fc.constantFrom('take', 'take', 'take', 'take', 'tell', 'lose'),
    }),
    { minLength: 50, maxLength: 300, size: 'max' },
  );

  /** Three processes at random. What one let through is told within 100 ms, when it pleases, or lost. */
  function play(
    run: readonly Step[],
    take: (process: number, now: number) => void,
    tell: (from: number, to: readonly number[], now: number) => void,
  ): void {
    const toldAt = [0, 0, 0];
    let now = 0;
    for (const { gapMs, process, act } of run) {
      now += gapMs;
      for (const [one, at] of toldAt.entries()) {
        const isDue = now - at > 40;
        if (!isDue && (act === 'take' || one !== process)) continue;
        toldAt[one] = now;
        tell(one, act === 'lose' ? [] : [0, 1, 2].filter((other) => other !== one), now);
      }
      if (act === 'take') take(process, now);
    }
  }

  it('never makes a bucket refuse what all of them together could have allowed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 10 }),
        steps,
        (rate, capacity, run) => {
          const buckets = [new TokenBuckets(), new TokenBuckets(), new TokenBuckets()];
          let used = 0;
          let at = 0;
          play(
            run,
            (process, now) => {
              used = Math.max(0, used - ((now - at) / 1000) * rate);
              at = now;
              const { isAllowed } = buckets[process]!.take('a', rate, capacity, now);
              if (isAllowed) used += 1;
              else expect(used + 1).toBeGreaterThan(capacity - 1e-6);
            },
            (from, to, now) => {
              const lines = buckets[from]!.takeUntold();
              for (const one of to) for (const line of lines) buckets[one]!.hear(line, now);
            },
          );
        },
      ),
    );
  });

  it('never makes a window refuse what all of them together could have allowed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), steps, (limit, run) => {
        const windows = [new FixedWindows(), new FixedWindows(), new FixedWindows()];
        const counts = new Map<number, number>();
        play(
          run,
          (process, now) => {
            const { isAllowed, resetAtMs } = windows[process]!.take('a', limit, 1000, now);
            const count = counts.get(resetAtMs) ?? 0;
            if (isAllowed) counts.set(resetAtMs, count + 1);
            else expect(count).toBeGreaterThanOrEqual(limit);
          },
          (from, to, now) => {
            const lines = windows[from]!.takeUntold();
            for (const one of to) for (const line of lines) windows[one]!.hear(line, now);
          },
        );
      }),
    );
  });
});
