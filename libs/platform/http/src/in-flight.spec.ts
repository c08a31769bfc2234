import { jest } from '@jest/globals';
import { InFlight } from './in-flight.js';

describe('requests under way', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('are ended with 408 after half a minute, and no earlier', async () => {
    const inFlight = new InFlight();
    let outcome: unknown;
    const work = inFlight.limit(new Promise(() => undefined)).catch((error: unknown) => {
      outcome = error;
    });
    await jest.advanceTimersByTimeAsync(29_000);
    expect(outcome).toBeUndefined();
    await jest.advanceTimersByTimeAsync(2500);
    await work;
    expect(outcome).toMatchObject({ code: 'REQUEST_TIMEOUT' });
    inFlight.stop();
  });

  it('that are done in time answer as they would', async () => {
    const inFlight = new InFlight();
    expect(await inFlight.limit(Promise.resolve(1))).toBe(1);
    await expect(inFlight.limit(Promise.reject(new Error('own')))).rejects.toThrow('own');
    await jest.advanceTimersByTimeAsync(60_000);
    inFlight.stop();
    expect(jest.getTimerCount()).toBe(0);
  });
});
