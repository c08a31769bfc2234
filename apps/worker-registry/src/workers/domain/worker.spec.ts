import { storedEvent, workersApi, workerStatus } from '@spooled/contracts';
import fc from 'fast-check';
import { workerDeregistered, workerRegistered } from './worker-events.js';
import { canBeWorkerId, takesSlot, toDetail, toSummary, type WorkerRow } from './worker.js';

const instants = fc.date({ min: new Date(0), max: new Date('2999-01-01'), noInvalidDate: true });
const nullableText = fc.option(fc.string());
const rows: fc.Arbitrary<WorkerRow> = fc.record({
  organization_id: fc.uuid(),
  id: fc.string({ minLength: 1 }),
  queue_name: fc.string({ minLength: 1 }),
  hostname: fc.string({ minLength: 1 }),
  worker_type: nullableText,
  version: nullableText,
  max_concurrency: fc.integer({ min: 1, max: 100 }),
  current_jobs: fc.integer({ min: 0, max: 1000 }),
  metadata: fc.dictionary(
    // The one key that a JavaScript object cannot simply be given.
    fc.string().filter((key) => key !== '__proto__'),
    fc.jsonValue(),
  ),
  status: fc.constantFrom(...workerStatus.options),
  ended: fc.constantFrom(null, 'requested' as const, 'stale' as const),
  last_heartbeat: instants,
  registered_at: instants,
  updated_at: instants,
});

describe('a worker’s slot', () => {
  it.each([
    ['healthy', true],
    ['degraded', true],
    ['draining', false],
    ['offline', false],
  ] as const)('is taken when %s: %s', (status, expected) => {
    expect(takesSlot(status)).toBe(expected);
  });
});

describe('a worker id', () => {
  it.each([
    ['one character', 'a', true],
    ['255 characters', 'a'.repeat(255), true],
    ['256 characters', 'a'.repeat(256), false],
    ['nothing', '', false],
    ['a NUL', 'a\0b', false],
    ['a slash and a space', 'a/ b', true],
  ])('can be %s: %#', (_name, text, expected) => {
    expect(canBeWorkerId(text)).toBe(expected);
  });
});

describe('a worker on the wire', () => {
  it('is what the contract says, whatever is stored', () => {
    fc.assert(
      fc.property(rows, (row) => {
        expect(workersApi.get.responses[200].parse(toDetail(row))).toEqual(toDetail(row));
        expect(workersApi.list.responses[200].parse([toSummary(row)])).toEqual([toSummary(row)]);
      }),
    );
  });

  it('has both names of what clients name differently', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const detail = toDetail(row);
        expect(detail.max_concurrent_jobs).toBe(detail.max_concurrency);
        expect(detail.current_job_count).toBe(detail.current_jobs);
        expect(detail.created_at).toBe(detail.registered_at);
        expect(detail.queue_names).toEqual([detail.queue_name]);
      }),
    );
  });
});

describe('the events of a worker', () => {
  it('are what the contract says', () => {
    fc.assert(
      fc.property(rows, instants, (row, at) => {
        for (const event of [
          workerRegistered(row, at),
          workerDeregistered(row, 'requested', at),
          workerDeregistered(row, 'stale', at),
        ]) {
          expect(storedEvent.parse(event)).toEqual(event);
          expect(event.data.timestamp).toBe(at.toISOString());
        }
      }),
    );
  });
});
