import { indented, mayBeRounded, memberTexts } from './json-text.js';

describe('JSON as text', () => {
  const json =
    '{"id":"a\\"b,}","payload":{"big":12345678901234567890.10, "list":[1,{}]},"result":null}';

  it('takes members apart without touching what is in them', () => {
    expect(Object.fromEntries(memberTexts(json))).toEqual({
      id: '"a\\"b,}"',
      payload: '{"big":12345678901234567890.10, "list":[1,{}]}',
      result: 'null',
    });
    expect(memberTexts('{}').size).toBe(0);
    expect(memberTexts(' { "a" : 1 , "b" : [ ] } ')).toEqual(
      new Map([
        ['a', '1'],
        ['b', '[ ]'],
      ]),
    );
  });

  it('sets it out over several lines, every digit kept', () => {
    expect(
      indented('{"big":12345678901234567890.10, "text":"a: {b}", "none":{ },"list":[1,2]}'),
    ).toBe(
      '{\n  "big": 12345678901234567890.10,\n  "text": "a: {b}",\n  "none": {},\n  "list": [\n    1,\n    2\n  ]\n}',
    );
  });

  it('means the same afterwards', () => {
    for (const text of [json, '[]', '"x"', '-1e9', '[[[]],{"a":{}}]', '{"\\\\":"\\u0022"}']) {
      expect(JSON.parse(indented(text))).toEqual(JSON.parse(text));
    }
  });

  it('knows which numbers a double may have changed', () => {
    expect(mayBeRounded({ a: [1, 2.5, 'x', null, 123456789012345] })).toBe(false);
    expect(mayBeRounded({ a: [{ b: 2 ** 53 }] })).toBe(true);
    expect(mayBeRounded(0.1 + 0.2)).toBe(true);
  });
});
