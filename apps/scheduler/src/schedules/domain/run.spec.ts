import {
  errorCatalogue,
  scheduleRunStatus,
  schedulesApi,
  type ErrorCode,
} from '@spooled/contracts';
import fc from 'fast-check';
import { isWorthRepeating, toWire } from './run.js';

const MINUTE = 60_000;

describe('a refused job', () => {
  it.each([
    ['SERVICE_UNAVAILABLE', 0, true],
    ['SERVICE_UNAVAILABLE', 24 * 60 * MINUTE, true],
    ['INTERNAL_ERROR', 0, true],
    ['DATABASE_ERROR', 9 * MINUTE, true],
    ['DATABASE_ERROR', 10 * MINUTE, false],
    ['RATE_LIMIT_EXCEEDED', 0, true],
    ['QUOTA_EXCEEDED', 0, false],
    ['FEATURE_DISABLED', 0, false],
    ['PAYLOAD_TOO_LARGE', 0, false],
    ['NOT_FOUND', 0, false],
    ['VALIDATION_ERROR', 0, false],
  ] as const)('with %s after %i ms is worth asking for again: %s', (code, ageMs, expected) => {
    expect(isWorthRepeating({ code, message: '' }, ageMs)).toBe(expected);
  });

  it('ends after ten minutes at the latest, unless somebody is away', () => {
    for (const code of Object.keys(errorCatalogue) as ErrorCode[]) {
      const isRepeated = isWorthRepeating({ code, message: '' }, 10 * MINUTE);
      expect([code, isRepeated]).toEqual([code, code === 'SERVICE_UNAVAILABLE']);
    }
  });
});

describe('a run on the wire', () => {
  const instants = fc.date({ min: new Date(0), max: new Date('2999-01-01'), noInvalidDate: true });
  const rows = fc.record({
    id: fc.uuid(),
    schedule_id: fc.uuid(),
    status: fc.constantFrom(...scheduleRunStatus.options),
    error_message: fc.option(fc.string()),
    started_at: instants,
    completed_at: fc.option(instants),
  });

  it('is what the contract says, and names a job only when there is one', () => {
    fc.assert(
      fc.property(rows, fc.constantFrom(null, 'pending' as const), (row, jobStatus) => {
        const run = toWire(row, jobStatus);
        expect(schedulesApi.history.responses[200].parse([run])).toEqual([run]);
        const hasJob = row.status === 'completed' || jobStatus !== null;
        expect(run.job_id).toBe(hasJob ? row.id : null);
      }),
    );
  });
});
