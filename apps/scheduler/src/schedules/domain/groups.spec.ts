import fc from 'fast-check';
import { grouped } from './groups.js';

const limits = { maxItems: 5, maxBytes: 100 };
const split = (sizes: readonly number[]) => grouped(sizes, (size) => size, limits);

describe('groups', () => {
  it.each([
    ['nothing', [], []],
    ['what fits together', [50, 50], [[50, 50]]],
    ['what is a byte too large', [50, 51], [[50], [51]]],
    ['what is too large by itself', [10, 500, 10], [[10], [500], [10]]],
    ['too many', [1, 1, 1, 1, 1, 1], [[1, 1, 1, 1, 1], [1]]],
  ])('are right for %s', (_name, sizes, expected) => {
    expect(split(sizes)).toEqual(expected);
  });

  it('hold everything in order, and no more than they may', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(150)), (sizes) => {
        const groups = split(sizes);
        expect(groups.flat()).toEqual(sizes);
        for (const group of groups) {
          expect(group.length).toBeGreaterThan(0);
          expect(group.length).toBeLessThanOrEqual(limits.maxItems);
          const bytes = group.reduce((sum, size) => sum + size, 0);
          if (group.length > 1) expect(bytes).toBeLessThanOrEqual(limits.maxBytes);
        }
      }),
    );
  });
});
