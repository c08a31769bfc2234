import fc from 'fast-check';
import { refuseDeepJson } from './json-body.js';

const nested = (depth: number, open: string, close: string) =>
  `${open.repeat(depth)}${close.repeat(depth)}`;

describe('refuseDeepJson', () => {
  it.each([
    ['lists', nested(64, '[', ']'), nested(65, '[', ']')],
    ['objects', nested(64, '{"a":', '}'), nested(65, '{"a":', '}')],
    ['both', nested(32, '[{"a":', '}]'), `[${nested(32, '[{"a":', '}]')}]`],
  ])('takes 64 levels of %s and no more', (_, good, bad) => {
    expect(() => refuseDeepJson(good)).not.toThrow();
    expect(() => refuseDeepJson(bad)).toThrow(expect.objectContaining({ code: 'INVALID_JSON' }));
  });

  it('does not count brackets inside strings', () => {
    const quoted = JSON.stringify({ a: '['.repeat(100), b: `"${'{'.repeat(100)}\\` });
    expect(() => refuseDeepJson(quoted)).not.toThrow();
    expect(() => refuseDeepJson(`["\\"",${nested(64, '[', ']')}]`)).toThrow();
  });

  it('agrees with the real depth of any document', () => {
    const depthOf = (value: unknown): number =>
      typeof value === 'object' && value !== null
        ? 1 + Math.max(0, ...Object.values(value).map(depthOf))
        : 0;
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 8 }),
        fc.integer({ min: 55, max: 66 }),
        (value, around) => {
          const text = `${'['.repeat(around)}${JSON.stringify(value)}${']'.repeat(around)}`;
          const isTooDeep = around + depthOf(value) > 64;
          if (isTooDeep) expect(() => refuseDeepJson(text)).toThrow();
          else expect(() => refuseDeepJson(text)).not.toThrow();
        },
      ),
    );
  });

  it('takes a large flat document in no time', () => {
    const text = JSON.stringify('x'.repeat(5_000_000));
    const startedAt = performance.now();
    refuseDeepJson(text);
    expect(performance.now() - startedAt).toBeLessThan(30_000);
  });
});
