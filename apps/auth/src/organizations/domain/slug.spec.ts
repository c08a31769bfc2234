import { slug } from '@spooled/contracts';
import fc from 'fast-check';
import { slugOf, withSuffix } from './slug.js';

describe('the slug of a name', () => {
  it.each([
    ['Acme', 'acme'],
    ['  Acme,  Inc. ', 'acme-inc'],
    ['Ärger & Söhne', 'rger-s-hne'],
    ['a--b__c', 'a-b-c'],
    ['3M', 'org-3m'],
    ['!!!', ''],
    ['日本', ''],
    ['x'.repeat(200), 'x'.repeat(80)],
    [`${'x'.repeat(79)} y`, 'x'.repeat(79)],
    [`1${'x'.repeat(199)}`, `org-1${'x'.repeat(75)}`],
  ])('%j is %j', (name, expected) => {
    expect(slugOf(name)).toBe(expected);
  });

  it('with a suffix can always be had', () => {
    const name = fc.string({ unit: 'binary', maxLength: 200 });
    fc.assert(
      fc.property(name, (text) => {
        expect(slug.safeParse(withSuffix(slugOf(text), 'a1b2c3')).success).toBe(true);
      }),
    );
  });

  it('gives way to the suffix when it is as long as a slug can be', () => {
    expect(withSuffix('x'.repeat(100), 'a1b2c3')).toBe(`${'x'.repeat(93)}-a1b2c3`);
    expect(withSuffix('', 'a1b2c3')).toBe('org-a1b2c3');
  });
});
