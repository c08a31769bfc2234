/**
 * Numbers of 16 and more digits, and exponents, may not survive a double. Where a number can stand in a document, since the
 * digits of ids look like such numbers too: reading with a reviver is ten times slower.
 */
const RISKY_NUMBER = /(?:^|[\s:,[])-?\d(?:[\d.]{15}|[\d.]*[eE])/;

interface ReviverContext {
  readonly source?: string;
}
type RawJson = (text: string) => unknown;
const { rawJSON } = JSON as unknown as { rawJSON: RawJson };

/**
 * `JSON.parse` that keeps numbers a double cannot hold: such a number becomes a raw JSON value, which
 * `JSON.stringify` writes back digit by digit. Ordinary documents take the plain, fast path.
 * Source: https://github.com/tc39/proposal-json-parse-with-source
 */
export function parseJson(text: string): unknown {
  if (!RISKY_NUMBER.test(text)) return JSON.parse(text);
  const reviver = (_key: string, value: unknown, context: ReviverContext): unknown =>
    typeof value === 'number' && context.source !== undefined && !isHeld(value, context.source)
      ? rawJSON(context.source)
      : value;
  return JSON.parse(text, reviver as (key: string, value: unknown) => unknown);
}

/** A double holds every number of up to 15 significant digits, as long as it neither overflows nor underflows. */
function isHeld(value: number, source: string): boolean {
  if (String(value) === source) return true;
  const [digits = ''] = source.split(/e/i);
  const significant = digits.replace(/[-.]/g, '').replace(/^0+|0+$/g, '');
  if (significant === '') return true;
  const size = Math.abs(value);
  return significant.length <= 15 && size >= SMALLEST_NORMAL && size < Infinity;
}

const SMALLEST_NORMAL = 2.2250738585072014e-308;
