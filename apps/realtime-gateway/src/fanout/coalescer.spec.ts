import { jest } from '@jest/globals';
import { Coalescer } from './coalescer.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

interface Value {
  readonly timestamp: string;
}

function setup() {
  const told: string[] = [];
  const coalescer = new Coalescer<Value>(1000, ({ timestamp }) => told.push(timestamp));
  const note = (key: string, ...timestamps: string[]): void => {
    for (const timestamp of timestamps) coalescer.note(key, { timestamp });
  };
  return { coalescer, note, told };
}

describe('a coalescer', () => {
  it('tells the first value at once, and of those that follow the last, once per interval', () => {
    const { note, told } = setup();
    note('a', '1', '2', '3');
    expect(told).toEqual(['1']);
    jest.advanceTimersByTime(999);
    note('a', '4');
    expect(told).toEqual(['1']);
    jest.advanceTimersByTime(1);
    expect(told).toEqual(['1', '4']);
    note('a', '5');
    jest.advanceTimersByTime(1000);
    expect(told).toEqual(['1', '4', '5']);
  });

  it('keeps keys apart', () => {
    const { note, told } = setup();
    note('a', '1', '2');
    note('b', '3');
    expect(told).toEqual(['1', '3']);
  });

  it('forgets a key after an interval without news', () => {
    const { coalescer, note, told } = setup();
    note('a', '1', '2');
    jest.advanceTimersByTime(1000);
    expect([coalescer.has('a'), coalescer.size]).toEqual([true, 1]);
    jest.advanceTimersByTime(1000);
    expect([coalescer.has('a'), coalescer.size]).toEqual([false, 0]);
    expect(jest.getTimerCount()).toBe(0);
    note('a', '3');
    expect(told).toEqual(['1', '2', '3']);
  });

  it('drops what was overtaken, and takes what is of the same moment', () => {
    const { note, told } = setup();
    note('a', '2', '1');
    jest.advanceTimersByTime(1000);
    expect(told).toEqual(['2']);
    note('a', '2', '1');
    jest.advanceTimersByTime(1000);
    expect(told).toEqual(['2', '2']);
  });

  it('tells what is held back when it is flushed, and then waits for a whole interval', () => {
    const { coalescer, note, told } = setup();
    coalescer.flush('a');
    note('a', '1', '2');
    jest.advanceTimersByTime(600);
    coalescer.flush('a');
    coalescer.flush('a');
    expect(told).toEqual(['1', '2']);
    note('a', '3');
    jest.advanceTimersByTime(999);
    expect(told).toEqual(['1', '2']);
    jest.advanceTimersByTime(1);
    expect(told).toEqual(['1', '2', '3']);
  });

  it('tells nothing after it is closed', () => {
    const { coalescer, note, told } = setup();
    note('a', '1', '2');
    coalescer.close();
    jest.advanceTimersByTime(5000);
    expect(told).toEqual(['1']);
    expect(jest.getTimerCount()).toBe(0);
  });
});
