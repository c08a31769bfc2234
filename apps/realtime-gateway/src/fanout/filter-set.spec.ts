import fc from 'fast-check';
import { filterKey, MATCH_ALL, type EventFilter } from './event-filter.js';
import { FilterSet } from './filter-set.js';

const filters: EventFilter[] = [
  MATCH_ALL,
  { ...MATCH_ALL, queue: 'a' },
  { ...MATCH_ALL, queue: 'b' },
  { ...MATCH_ALL, queue: 'a', jobId: 'j' },
];
const step = fc.record({ isAdd: fc.boolean(), filter: fc.constantFrom(...filters) });

describe('a filter set', () => {
  it('is a multiset: what is added n times is there until it is removed n times', () => {
    fc.assert(
      fc.property(fc.constantFrom(...filters), fc.array(step), (urlFilter, steps) => {
        const set = new FilterSet(urlFilter);
        const model: string[] = urlFilter === MATCH_ALL ? [] : [filterKey(urlFilter)];
        for (const { isAdd, filter } of steps) {
          const key = filterKey(filter);
          if (isAdd) {
            set.add(filter);
            model.push(key);
          } else {
            set.remove(filter);
            const index = model.indexOf(key);
            if (index >= 0) model.splice(index, 1);
          }
        }
        const expected = model.length === 0 ? [filterKey(urlFilter)] : [...new Set(model)];
        expect(new Set(set.active().map(filterKey))).toEqual(new Set(expected));
      }),
    );
  });

  it('is back in its default state, the filter of the URL, when the last one is removed', () => {
    const [, a, b] = filters as [EventFilter, EventFilter, EventFilter, EventFilter];
    const set = new FilterSet(a);
    set.add(b);
    expect(set.active()).toEqual([a, b]);
    set.remove(a);
    expect(set.active()).toEqual([b]);
    set.remove(b);
    expect(set.active()).toEqual([a]);
  });

  it('is full at a thousand', () => {
    const set = new FilterSet(MATCH_ALL);
    for (let index = 0; index < 999; index += 1) set.add({ ...MATCH_ALL, jobId: String(index) });
    expect(set.isFull).toBe(false);
    set.add(MATCH_ALL);
    expect(set.isFull).toBe(true);
  });
});
