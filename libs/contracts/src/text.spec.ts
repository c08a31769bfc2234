import fc from 'fast-check';
import { parseJson } from './lossless-json.js';
import { isUuid, jsonObject, limit, offset, queueName, tags, text, timestamp } from './text.js';

const accepts = (schema: { safeParse(value: unknown): { success: boolean } }, value: unknown) =>
  schema.safeParse(value).success;

describe('text', () => {
  it('counts characters and refuses NUL', () => {
    const schema = text(1, 3);
    for (const value of ['a', 'abc', 'äöü']) expect(accepts(schema, value)).toBe(true);
    for (const value of ['', 'abcd', 'a\u0000', 1, null])
      expect(accepts(schema, value)).toBe(false);
  });
});

describe('queueName', () => {
  it.each(['a', '_', '9', 'A.b-c_d', 'a'.repeat(100)])('accepts %j', (name) => {
    expect(accepts(queueName, name)).toBe(true);
  });
  it.each(['', '.a', '-a', 'a b', 'a/b', 'ä', 'a\n', '\na', 'a'.repeat(101)])(
    'refuses %j',
    (name) => {
      expect(accepts(queueName, name)).toBe(false);
    },
  );
});

describe('timestamp', () => {
  it('gives any instant back in UTC with fractions', () => {
    expect(timestamp.parse('2030-06-01T12:00:00+02:00')).toBe('2030-06-01T10:00:00.000Z');
    expect(timestamp.parse('2030-06-01T12:00:00.123456Z')).toBe('2030-06-01T12:00:00.123Z');
    expect(timestamp.parse('0001-01-01T00:00:00Z')).toBe('0001-01-01T00:00:00.000Z');
    expect(timestamp.parse('9999-12-31T23:59:59Z')).toBe('9999-12-31T23:59:59.000Z');
  });
  it('is read the same twice', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true }),
        (date) => {
          const once = timestamp.parse(date.toISOString());
          expect(timestamp.parse(once)).toBe(once);
        },
      ),
    );
  });
  it.each([
    '2030-01-01',
    '2030-01-01T00:00:00',
    '2030-13-01T00:00:00Z',
    '2030-02-29T00:00:00Z',
    '2030-01-01T25:00:00Z',
    '0000-06-01T00:00:00Z',
    '9999-12-31T23:59:59-01:00',
    '+010000-01-01T00:00:00Z',
    'now',
    0,
  ])('refuses %j', (value) => {
    expect(accepts(timestamp, value)).toBe(false);
  });
});

describe('what goes into jsonb', () => {
  it('is an object, or for tags an array, of so many bytes', () => {
    expect(accepts(tags, { a: 1 })).toBe(true);
    expect(accepts(tags, ['a', { b: 2 }])).toBe(true);
    expect(accepts(tags, 'a')).toBe(false);
    expect(accepts(jsonObject(10), ['a'])).toBe(false);
    expect(accepts(jsonObject(10), { a: 'xx' })).toBe(true);
    expect(accepts(jsonObject(10), { a: 'xxx' })).toBe(false);
    expect(accepts(jsonObject(10), { a: 'ü' })).toBe(true);
    expect(accepts(jsonObject(10), { a: 'üü' })).toBe(false);
  });
  it.each([
    '{"a":"\\u0000"}',
    '{"\\u0000":1}',
    '{"a":[{"b":"\\ud83d"}]}',
    '{"a":"\\ude00\\ud83d"}',
    '{"a":1e1001}',
    '{"a":-1e-99999}',
    `{"a":0.${'1'.repeat(1001)}}`,
  ])('never is what the database refuses: %s', (document) => {
    expect(accepts(tags, parseJson(document))).toBe(false);
  });
  it.each([
    '{"a":"\\\\u0000"}',
    '{"a":"\\ud83d\\ude00"}',
    '{"a":123456789012345678901234567890}',
    '{"a":1e300}',
    '{"__proto__":{"a":1}}',
    '{"a":null}',
  ])('may be %s', (document) => {
    expect(accepts(tags, parseJson(document))).toBe(true);
  });
});

describe('limit and offset', () => {
  it('are clamped', () => {
    const schema = limit(100, 50);
    const outcomes = ['1', '100', '101', '0', '-7', '+5', '007', '9'.repeat(30)];
    expect(outcomes.map((value) => schema.parse(value))).toEqual([1, 100, 100, 1, 1, 5, 7, 100]);
    expect(schema.parse(undefined)).toBe(50);
    expect(offset.parse('-1')).toBe(0);
    expect(offset.parse('9'.repeat(30))).toBe(2_147_483_647);
    expect(offset.parse(undefined)).toBe(0);
  });
  it.each(['', ' 1', 'ten', '1.5', '1e2', '0x10', ['1', '2'], null])('refuse %j', (value) => {
    expect(accepts(limit(100, 50), value)).toBe(false);
    expect(accepts(offset, value)).toBe(false);
  });
});

describe('isUuid', () => {
  it('knows lower-case UUIDs only', () => {
    fc.assert(fc.property(fc.uuid(), (id) => expect(isUuid(id)).toBe(true)));
    const id = '0192f6c4-7f2a-7000-8000-0000000000ff';
    for (const other of [
      id.toUpperCase(),
      `${id} `,
      id.slice(1),
      `{${id}}`,
      '',
      id.replaceAll('-', ''),
    ]) {
      expect(isUuid(other)).toBe(false);
    }
  });
});
