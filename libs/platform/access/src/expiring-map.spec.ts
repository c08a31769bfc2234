import { jest } from '@jest/globals';
import { ExpiringMap } from './expiring-map.js';

describe('an expiring map', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('forgets each entry when its time is over', () => {
    const map = new ExpiringMap<number>(10);
    map.set('short', 1, 1000);
    map.set('long', 2, 5000);
    jest.advanceTimersByTime(999);
    expect([map.get('short'), map.get('long')]).toEqual([1, 2]);
    jest.advanceTimersByTime(1);
    expect([map.get('short'), map.get('long')]).toEqual([undefined, 2]);
  });

  it('begins the time anew when an entry is set again', () => {
    const map = new ExpiringMap<number>(10);
    map.set('a', 1, 1000);
    jest.advanceTimersByTime(900);
    map.set('a', 2, 1000);
    jest.advanceTimersByTime(900);
    expect(map.get('a')).toBe(2);
  });

  it('lets the oldest make room for the newest', () => {
    const map = new ExpiringMap<number>(3);
    for (const [index, name] of ['a', 'b', 'c', 'a', 'd'].entries()) map.set(name, index, 1000);
    expect(['a', 'b', 'c', 'd'].map((name) => map.get(name))).toEqual([3, undefined, 2, 4]);
  });

  it('forgets what it is told to', () => {
    const map = new ExpiringMap<number>(10);
    for (const n of [1, 2, 3, 4]) map.set(String(n), n, 1000);
    map.deleteWhere((value) => value % 2 === 0);
    expect(['1', '2', '3', '4'].map((name) => map.get(name))).toEqual([1, undefined, 3, undefined]);
    map.deleteWhere((_value, name) => name === '1');
    expect([map.get('1'), map.get('3')]).toEqual([undefined, 3]);
  });
});
