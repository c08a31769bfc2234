import fc from 'fast-check';
import { customLimits, reservedSlugs, slug } from './organizations.api.js';
import { effectiveLimits, plans } from './plans.js';

const allowed = [...'abcdefghijklmnopqrstuvwxyz0123456789'];
const edge = fc.constantFrom(...allowed);
const inner = fc.string({ unit: fc.constantFrom(...allowed, '-'), maxLength: 98 });

describe('a slug', () => {
  it('may hold any lower-case letters, digits and inner hyphens', () => {
    fc.assert(
      fc.property(edge, inner, edge, (first, middle, last) => {
        const text = `${first}${middle}${last}`;
        expect(slug.safeParse(text).success).toBe(!reservedSlugs.has(text));
      }),
    );
  });

  it('may hold nothing else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const isPlain = /^[a-z0-9-]{1,100}$/.test(text) && !/^-|-$/.test(text);
        expect(slug.safeParse(text).success).toBe(isPlain && !reservedSlugs.has(text));
      }),
    );
  });

  it.each([...reservedSlugs])('may not be %s', (word) => {
    expect(slug.safeParse(word).success).toBe(false);
  });

  it.each([
    ['a', true],
    ['1', true],
    ['a-b', true],
    ['a--b', true],
    ['a'.repeat(100), true],
    ['a'.repeat(101), false],
    ['', false],
    ['-', false],
    ['a-', false],
    ['-a', false],
    ['a_b', false],
    ['a\n', false],
  ])('%j is allowed: %s', (text, expected) => {
    expect(slug.safeParse(text).success).toBe(expected);
  });
});

describe('custom limits', () => {
  const max = 2_147_483_647;
  const counts = [
    'max_jobs_per_day',
    'max_active_jobs',
    'max_queues',
    'max_workers',
    'max_api_keys',
    'max_schedules',
    'max_workflows',
    'max_webhooks',
  ].map((row) => [row, [0, 1, max, null], [-1, 1.5, max + 1, '5', true]] as const);

  it.each<readonly [string, readonly unknown[], readonly unknown[]]>([
    ...counts,
    ['max_payload_size_bytes', [1, max], [0, 1.5, max + 1, null, '5']],
    ['rate_limit_requests_per_second', [0.001, 2.5, 1_000_000], [0, -1, 1e-9, 1e9, null, '5']],
    ['rate_limit_burst', [1, 1_000_000], [0, 1.5, 1_000_001, null, '5']],
    ['job_retention_days', [0, 0.5, 36_500], [-1, 36_501, null, '5']],
    ['history_retention_days', [0, 0.5, 36_500], [-1, 36_501, null, '5']],
  ])('of %s may be %j and not %j', (row, allowed, refused) => {
    for (const value of allowed) {
      expect(customLimits.safeParse({ [row]: value }).success).toBe(true);
      // What is accepted also holds.
      expect(effectiveLimits('free', { [row]: value })).toEqual({ ...plans.free, [row]: value });
    }
    for (const value of refused) {
      expect([value, customLimits.safeParse({ [row]: value }).success]).toEqual([value, false]);
    }
  });

  it('keep unknown keys, up to 16 KiB in all', () => {
    expect(customLimits.parse({ note: 'agreed', max_queues: 3 })).toEqual({
      note: 'agreed',
      max_queues: 3,
    });
    expect(customLimits.safeParse({ note: 'a'.repeat(16_384) }).success).toBe(false);
  });
});
