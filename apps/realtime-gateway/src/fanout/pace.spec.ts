import { jest } from '@jest/globals';
import { Pace } from './pace.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('a pace', () => {
  it('does at once what is asked for first, and once per interval what is asked for often', async () => {
    const run = jest.fn<() => void>();
    const pace = new Pace(1000, run);
    for (let ms = 10; ms <= 5000; ms += 10) {
      pace.ask();
      await jest.advanceTimersByTimeAsync(10);
      expect(run).toHaveBeenCalledTimes(1 + Math.floor(ms / 1000));
    }
  });

  it('does what was asked for last, and nothing when nothing was', async () => {
    const run = jest.fn<() => void>();
    const pace = new Pace(1000, run);
    pace.ask();
    await jest.advanceTimersByTimeAsync(100);
    pace.ask();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(run).toHaveBeenCalledTimes(2);
  });

  it('waits for what takes long, and does once more what was asked for meanwhile', async () => {
    const done = Promise.withResolvers<void>();
    const run = jest.fn(() => done.promise);
    const pace = new Pace(100, run);
    pace.ask();
    await jest.advanceTimersByTimeAsync(50);
    pace.ask();
    await jest.advanceTimersByTimeAsync(1000);
    expect(run).toHaveBeenCalledTimes(1);
    done.resolve();
    await jest.advanceTimersByTimeAsync(90);
    expect(run).toHaveBeenCalledTimes(1);
    await jest.advanceTimersByTimeAsync(10);
    expect(run).toHaveBeenCalledTimes(2);
  });

  it('stops', async () => {
    const run = jest.fn<() => void>();
    const pace = new Pace(100, run);
    pace.ask();
    pace.stop();
    pace.ask();
    await jest.advanceTimersByTimeAsync(1000);
    expect(run).not.toHaveBeenCalled();
  });
});
