import { SpooledError } from '@spooled/sdk';

import { CliError, exitCodeMeanings, exitCodeOf, exitCodes } from './exit-code.js';

const answered = (status: number, code = 'SOMETHING') => new SpooledError('x', { code, status });

it.each([
  [answered(400, 'VALIDATION_ERROR'), 2],
  [answered(401, 'UNAUTHORIZED'), 3],
  [answered(403, 'FEATURE_DISABLED'), 3],
  [answered(404, 'NOT_FOUND'), 4],
  [answered(409, 'LEASE_EXPIRED'), 5],
  [answered(413, 'PAYLOAD_TOO_LARGE'), 2],
  [answered(429, 'QUOTA_EXCEEDED'), 6],
  [answered(500, 'INTERNAL_ERROR'), 1],
  [answered(503, 'SERVICE_UNAVAILABLE'), 7],
  [answered(0, 'NETWORK_ERROR'), 7],
  [answered(0, 'TIMEOUT'), 7],
  // Streams end with a code alone.
  [answered(0, 'UNAUTHORIZED'), 3],
  [new CliError('x', exitCodes.jobFailed), 8],
  [new Error('a bug'), 1],
])('of %o is %i', (error, code) => {
  expect(exitCodeOf(error)).toBe(code);
});

it('each has a meaning', () => {
  expect(exitCodeMeanings.map(([code]) => code)).toEqual(Object.values(exitCodes));
});
