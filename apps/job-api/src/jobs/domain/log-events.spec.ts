import { jobLogged, MAX_EVENT_BYTES } from '@spooled/contracts';
import fc from 'fast-check';
import { logEvents } from './log-events.js';

const log = {
  job_id: '0193c1a5-7d5f-7000-8000-000000000000',
  queue_name: 'q'.repeat(100),
  worker_id: '\u0001'.repeat(255),
  offset: 7,
  timestamp: '2026-11-23T20:00:00.000Z',
};

const bytesOf = (data: object): number =>
  Buffer.byteLength(JSON.stringify({ type: 'JobLog', data }));

describe('log events', () => {
  it('are one for what is small', () => {
    const lines = ['one', '', 'three'];
    expect(logEvents({ ...log, lines })).toEqual([{ ...log, lines }]);
  });

  it('hold every line once, in order, with its number, and are never too large', () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.constantFrom(
        '',
        'x'.repeat(4096),
        '€'.repeat(4096),
        '\u0001'.repeat(4096),
        '"'.repeat(4096),
      ),
    );
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1, maxLength: 100 }),
        fc.nat(2 ** 31),
        (lines, offset) => {
          const events = logEvents({ ...log, offset, lines });
          expect(events.flatMap((event) => event.lines)).toEqual(lines);
          let next = offset;
          for (const event of events) {
            expect(jobLogged.payload.parse(event).offset).toBe(next);
            expect(event.lines.length).toBeGreaterThan(0);
            expect(bytesOf(event)).toBeLessThanOrEqual(MAX_EVENT_BYTES);
            next += event.lines.length;
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('are as few as it takes', () => {
    const lines = Array.from({ length: 100 }, () => 'x'.repeat(4096));
    const events = logEvents({ ...log, worker_id: 'w', lines });
    expect(events.map((event) => event.lines.length)).toEqual([...Array<number>(14).fill(7), 2]);
  });

  it('have half a surrogate pair as the database has it', () => {
    expect(logEvents({ ...log, lines: ['a\ud800b'] })[0]!.lines).toEqual(['a\ufffdb']);
  });
});
