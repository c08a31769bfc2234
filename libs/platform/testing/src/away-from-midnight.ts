import { eventually } from './eventually.js';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** For `beforeEach` where days (UTC) are counted: no test begins in the last minute of one, which it might outlast. */
export async function awayFromMidnight(): Promise<void> {
  await eventually(() => DAY_MS - (Date.now() % DAY_MS) > MINUTE_MS, {
    timeoutMs: 2 * MINUTE_MS,
    intervalMs: 100,
  });
}
