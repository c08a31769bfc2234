import fc from 'fast-check';
import { formatCursor, parseCursor } from './cursor.js';

describe('a cursor', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[0-9a-z]{1,32}$/),
        fc.integer({ min: 0, max: 9_007_199_254_740_991 }),
        (epoch, seq) => {
          expect(parseCursor(formatCursor(epoch, seq))).toEqual({ epoch, seq });
        },
      ),
    );
  });

  it.each([
    '',
    '-',
    'a-',
    '-1',
    'a-01',
    'a--1',
    'a-1.5',
    'a-1 ',
    ' a-1',
    'A-1',
    'a-b',
    'a-1\n',
    'a-9007199254740992',
    'a-99999999999999999',
    `${'a'.repeat(33)}-1`,
  ])('is not %j', (text) => {
    expect(parseCursor(text)).toBeNull();
  });

  it('is null or safe for any text at all', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const cursor = parseCursor(text);
        if (cursor !== null) expect(formatCursor(cursor.epoch, cursor.seq)).toBe(text);
      }),
    );
  });
});
