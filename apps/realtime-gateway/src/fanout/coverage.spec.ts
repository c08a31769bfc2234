import fc from 'fast-check';
import { created } from '../../test/fixtures.js';
import { Coverage } from './coverage.js';
import { MATCH_ALL } from './event-filter.js';
import { Selector } from './selector.js';

const queues = ['a', 'b', 'c'];
const selectors = [MATCH_ALL, ...queues.map((queue) => ({ ...MATCH_ALL, queue }))].map(
  (filter) => new Selector({ access: { queues: [] } }, [filter]),
);

describe('coverage', () => {
  it('knows exactly what was delivered, whatever the ranges', () => {
    const range = fc.record({
      from: fc.nat(30),
      length: fc.nat(10),
      selector: fc.constantFrom(...selectors),
    });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 20 }), (ranges) => {
        const coverage = new Coverage();
        for (const { from, length, selector } of ranges)
          coverage.add(from, from + length, selector);
        for (let seq = 1; seq <= 41; seq += 1) {
          const event = created('j', queues[seq % queues.length]);
          const expected = ranges.some(
            ({ from, length, selector }) =>
              seq > from && seq <= from + length && selector.matches(event),
          );
          expect(coverage.has(seq, event)).toBe(expected);
        }
      }),
    );
  });

  it('says up to where it forgot, once there are too many changes', () => {
    const coverage = new Coverage();
    for (let seq = 0; seq < 300; seq += 1) {
      coverage.add(seq, seq + 1, selectors[seq % selectors.length] as Selector);
    }
    expect(coverage.forgottenTo).toBe(44);
    expect(coverage.has(300, created('j', 'c'))).toBe(true);
  });

  it('keeps one range for a subscription that only goes on', () => {
    const coverage = new Coverage();
    for (let seq = 0; seq < 1000; seq += 1) coverage.add(seq, seq + 1, selectors[0] as Selector);
    expect(coverage.forgottenTo).toBe(0);
  });
});
