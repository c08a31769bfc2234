import { painter } from './style.js';
import { fields, table, type Column } from './table.js';
import { harmless, widthOf } from './text.js';

interface Row {
  readonly name: string;
  readonly count: number | null;
}

const columns: readonly Column<Row>[] = [
  { title: 'NAME', of: ({ name }) => name },
  { title: 'COUNT', of: ({ count }) => count, align: 'right', tone: () => 'bad' },
];
const plain = { width: undefined, paint: painter(false) };

describe('a table', () => {
  it('has columns as wide as their longest cell, numbers on the right', () => {
    const rows = [
      { name: 'a', count: 1 },
      { name: 'longer', count: null },
    ];
    expect(table(rows, columns, plain).split('\n')).toEqual([
      'NAME    COUNT',
      'a           1',
      'longer      -',
    ]);
  });

  it('breaks the widest cells where the terminal ends', () => {
    const rows = [{ name: 'some words that are too long', count: 12 }];
    const lines = table(rows, columns, { ...plain, width: 20 }).split('\n');
    expect(lines).toEqual(['NAME           COUNT', 'some words        12', 'that are too', 'long']);
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(20);
  });

  it('breaks words that are longer than a line', () => {
    const id = 'x'.repeat(30);
    const lines = table([{ name: id, count: 1 }], columns, { ...plain, width: 20 }).split('\n');
    expect(lines.slice(1).join('').replace(/[ 1]/g, '')).toBe(id);
  });

  it('keeps columns straight with wide characters and with colours', () => {
    const rows = [
      { name: '日本', count: 1 },
      { name: 'abcd', count: 2 },
    ];
    expect(table(rows, columns, plain).split('\n').slice(1)).toEqual([
      '日本      1',
      'abcd      2',
    ]);
    const colored = table(rows, columns, { ...plain, paint: painter(true) });
    expect(colored).toContain('\u001b[31m    1\u001b[39m');
  });

  it('lets nobody else write to the terminal', () => {
    const name = 'a\u001b[2Jb\nc\u009b31md\u202e';
    expect(harmless(name)).not.toMatch(/[\u0000-\u001f\u0080-\u009f\u202e]/);
    expect(table([{ name, count: 1 }], columns, plain).split('\n')).toHaveLength(2);
  });
});

describe('fields', () => {
  it('are names beside values, without those that are not there', () => {
    expect(fields({ id: 1, status: undefined, error: null }, plain)).toBe('id     1\nerror  -');
  });

  it('go on under the value, not under the name', () => {
    const page = { ...plain, width: 20 };
    expect(fields({ error: 'several words of it' }, page).split('\n')).toEqual([
      'error  several words',
      '       of it',
    ]);
  });
});
