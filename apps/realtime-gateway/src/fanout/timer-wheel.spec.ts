import { jest } from '@jest/globals';
import { TimerWheel } from './timer-wheel.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('the timer wheel', () => {
  it('runs each entry once per period, first after one', () => {
    const wheel = new TimerWheel();
    const fast = jest.fn();
    const slow = jest.fn();
    wheel.every(1000, fast);
    wheel.every(30_000, slow);
    jest.advanceTimersByTime(900);
    expect(fast).not.toHaveBeenCalled();
    jest.advanceTimersByTime(59_100);
    expect(fast).toHaveBeenCalledTimes(60);
    expect(slow).toHaveBeenCalledTimes(2);
  });

  it('takes periods longer than one turn of the wheel', () => {
    const wheel = new TimerWheel();
    const run = jest.fn();
    wheel.every(600_000, run);
    jest.advanceTimersByTime(599_000);
    expect(run).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1000);
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('stops what is ended, also from within, and its timer with the last entry', () => {
    const wheel = new TimerWheel();
    const other = jest.fn();
    const run = jest.fn(() => {
      entry.stop();
      otherEntry.stop();
    });
    const entry = wheel.every(1000, run);
    const otherEntry = wheel.every(1000, other);
    jest.advanceTimersByTime(5000);
    expect(run).toHaveBeenCalledTimes(1);
    expect(other).not.toHaveBeenCalled();
    expect(jest.getTimerCount()).toBe(0);
  });
});
