import fc from 'fast-check';
import { reservedSlugs, slug } from './organizations.api.js';

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
