import { retryDelaySecs } from './backoff.js';

it('waits twice as long after each attempt, up to 32 s', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 20].map(retryDelaySecs)).toEqual([1, 2, 4, 8, 16, 32, 32, 32]);
});
