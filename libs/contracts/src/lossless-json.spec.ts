import { jest } from '@jest/globals';
import fc from 'fast-check';
import { parseJson } from './lossless-json.js';

/** Any number as JSON can write it, beyond what a double holds too. */
const numberText = fc
  .tuple(
    fc.boolean(),
    fc.bigInt({ min: 0n, max: 10n ** 40n }),
    fc.option(fc.stringMatching(/^\d{1,30}$/)),
    fc.option(fc.integer({ min: -400, max: 400 })),
  )
  .map(
    ([isNegative, whole, fraction, exponent]) =>
      `${isNegative ? '-' : ''}${whole}${fraction === null ? '' : `.${fraction}`}${exponent === null ? '' : `e${exponent}`}`,
  );

/** `digits × 10^exponent` without trailing zeros: equal for equal numbers. */
function canonical(text: string): string {
  const [mantissa = '', exponent = '0'] = text.split(/e/i);
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${mantissa.startsWith('-') ? '-' : ''}${significant}e${power}`;
}

describe('parseJson', () => {
  it('reads every ordinary document as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('keeps the value of every number, wherever it stands', () => {
    fc.assert(
      fc.property(numberText, fc.json(), (number, other) => {
        const text = `{"a":[${number},${other}],"b":{"c":${number}}}`;
        const written = JSON.stringify(parseJson(text));
        const [, first, second] = /"a":\[([^,]+),.*"c":([^}]+)\}\}$/.exec(written)!;
        expect([canonical(first!), canonical(second!)]).toEqual([
          canonical(number),
          canonical(number),
        ]);
      }),
      { numRuns: 1000 },
    );
  });

  it('writes back what it read, again and again', () => {
    fc.assert(
      fc.property(numberText, (number) => {
        const once = JSON.stringify(parseJson(number));
        expect(JSON.stringify(parseJson(once))).toBe(once);
      }),
    );
  });

  it('gives a plain number wherever a double holds it, whatever stands beside', () => {
    const beside = '"9f1e5a40-1234567890123456"';
    for (const [text, value] of [
      ['50.0', 50],
      ['1e2', 100],
      ['0.5', 0.5],
      ['-0.0', -0],
      ['123456789012345', 123456789012345],
      ['1.5E+3', 1500],
    ] as const) {
      expect(parseJson(`[${beside},${text}]`)).toEqual(['9f1e5a40-1234567890123456', value]);
    }
  });

  it('reads ids, instants and texts on the fast path, whatever digits they hold', () => {
    const parse = jest.spyOn(JSON, 'parse');
    const document = {
      id: '0197e3a1-1e5c-7000-8000-123456789012',
      at: '2026-11-28T15:00:00.123456Z',
      text: '12345678901234567890-1e400',
      n: [1, -2.5, 123456789012345],
    };
    const text = JSON.stringify(document, null, 2);
    expect(parseJson(text)).toEqual(document);
    expect(parse.mock.calls).toEqual([[text]]);
    parse.mockRestore();
  });

  it.each(['', '{', '01', '[1,]', '{"a":1,}', 'NaN', '1234567890123456x'])('refuses %j', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });
});
