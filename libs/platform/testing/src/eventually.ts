import { setTimeout as delay } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Default 60000: how long only decides when a hopeless wait is given up, also on a machine that is busy. */
  timeoutMs?: number;
  /** Default 10. */
  intervalMs?: number;
}

/**
 * Repeats `check` until it neither throws nor returns something falsy (`undefined` counts as passed, so that a block of
 * `expect`s can be given), and returns what it returned. @throws the last error at the deadline.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { timeoutMs = 60_000, intervalMs = 10 }: EventuallyOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let problem: unknown;
    try {
      const value = await check();
      if (value === undefined || value) return value;
      problem = new Error(`still ${String(value)}`);
    } catch (error) {
      problem = error;
    }
    if (performance.now() > deadline) throw withDeadline(problem, timeoutMs);
    await delay(intervalMs);
  }
}

function withDeadline(problem: unknown, timeoutMs: number): Error {
  const error = problem instanceof Error ? problem : new Error(String(problem));
  error.message = `not within ${timeoutMs} ms: ${error.message}`;
  return error;
}
