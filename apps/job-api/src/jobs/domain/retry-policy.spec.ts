import fc from 'fast-check';
import { backoffJitterMs, backoffLadderMs } from './retry-policy.js';

describe('the backoff', () => {
  it('doubles from one second and ends at a minute', () => {
    expect(backoffLadderMs).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000]);
  });

  it('has noise of 0 to 499 ms', () => {
    expect(backoffJitterMs(() => 0)).toBe(0);
    expect(backoffJitterMs(() => 0.999999)).toBe(499);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (random) => {
        const jitter = backoffJitterMs(() => random);
        expect(Number.isInteger(jitter)).toBe(true);
        expect(jitter).toBeGreaterThanOrEqual(0);
        expect(jitter).toBeLessThan(500);
      }),
    );
  });
});
