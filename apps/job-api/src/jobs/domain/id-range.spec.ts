import { v7 as uuidv7 } from 'uuid';
import { idRange, idsAfter, idsCreated, intersection } from './id-range.js';

const FIRST = '00000000-0000-0000-0000-000000000000';
const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

describe('ids that begin with a text', () => {
  it.each([
    ['0', '00000000-0000-0000-0000-000000000000', '0fffffff-ffff-ffff-ffff-ffffffffffff'],
    ['01A2', '01a20000-0000-0000-0000-000000000000', '01a2ffff-ffff-ffff-ffff-ffffffffffff'],
    ['01a22352', '01a22352-0000-0000-0000-000000000000', '01a22352-ffff-ffff-ffff-ffffffffffff'],
    ['01a22352-', '01a22352-0000-0000-0000-000000000000', '01a22352-ffff-ffff-ffff-ffffffffffff'],
    [LAST, LAST, LAST],
  ])('%s', (prefix, first, last) => {
    expect(idRange(prefix)).toEqual({ first, last });
  });

  it.each(['', 'x', '01a22352a', '-', `${LAST}f`, '01a22352-_'])('none begins with %j', (text) => {
    expect(idRange(text)).toBeNull();
  });
});

it.each([
  ['00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000001'],
  ['01a22352-ffff-ffff-ffff-ffffffffffff', '01a22353-0000-0000-0000-000000000000'],
])('what comes after %s begins with %s', (id, first) => {
  expect(idsAfter(id)).toEqual({ first, last: LAST });
  expect(intersection(idsAfter(id), { first: FIRST, last: LAST })).toEqual(idsAfter(id));
});

describe('ids of what was created in a time', () => {
  const at = (msecs: number) => new Date(msecs).toISOString();
  const now = Date.parse('2026-03-01T12:00:00.000Z');

  it('hold those that were made a little before', () => {
    const { first, last } = idsCreated(at(now), at(now + 1000), null);
    for (const msecs of [now - 599_000, now, now + 1000]) {
      const id = uuidv7({ msecs });
      expect([first <= id, id <= last]).toEqual([true, true]);
    }
    expect(uuidv7({ msecs: now - 601_000 }) < first).toBe(true);
    expect(uuidv7({ msecs: now + 62_000 }) > last).toBe(true);
  });

  it('are all when no end is given, and no more than were asked for', () => {
    expect(idsCreated(null, null, null)).toEqual({ first: FIRST, last: LAST });
    const one = {
      first: '01a22352-0000-0000-0000-000000000000',
      last: '01a22352-ffff-ffff-ffff-ffffffffffff',
    };
    expect(idsCreated(null, null, one)).toEqual(one);
    expect(idsCreated('0001-01-01T00:00:00.000Z', '9999-12-31T00:00:00.000Z', one)).toEqual(one);
  });
});
