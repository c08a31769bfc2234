import { schedulesApi } from '@spooled/contracts';
import fc from 'fast-check';
import { defined, isRetimed, revised, toWire, type ScheduleRow } from './schedule.js';

const instants = fc.date({ min: new Date(0), max: new Date('2999-01-01'), noInvalidDate: true });
// The schema leaves out one key: as a property it would be no property.
const keys = fc.string().filter((key) => key !== '__proto__');
const objects = fc.dictionary(keys, fc.jsonValue());
const rows: fc.Arbitrary<ScheduleRow> = fc.record({
  organization_id: fc.uuid(),
  id: fc.uuid(),
  name: fc.string({ minLength: 1 }),
  description: fc.option(fc.string()),
  cron_expression: fc.constantFrom('* * * * *', '0 0 1 1 *'),
  timezone: fc.constantFrom('UTC', 'Europe/Berlin'),
  queue_name: fc.constantFrom('emails', 'reports'),
  payload_template: fc.jsonValue(),
  priority: fc.integer({ min: -100, max: 100 }),
  max_retries: fc.option(fc.integer({ min: 0, max: 100 })),
  timeout_seconds: fc.option(fc.integer({ min: 1, max: 86_400 })),
  tags: fc.option(objects),
  metadata: fc.option(objects),
  is_active: fc.boolean(),
  next_run_at: instants,
  last_run_at: fc.option(instants),
  run_count: fc.nat(),
  created_at: instants,
  updated_at: instants,
});

describe('a schedule on the wire', () => {
  it('is what the contract says, with the defaults where the queue has the say', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const wire = toWire(row, { maxRetries: 3, timeoutSeconds: 300 });
        expect(schedulesApi.get.responses[200].parse(wire)).toEqual(wire);
        expect(wire.max_retries).toBe(row.max_retries ?? 3);
        expect(wire.timeout_seconds).toBe(row.timeout_seconds ?? 300);
      }),
    );
  });
});

describe('a change of a schedule', () => {
  it('that names nothing changes nothing', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const same = revised(row, {});
        expect(same).toEqual({
          name: row.name,
          description: row.description,
          cronExpression: row.cron_expression,
          timezone: row.timezone,
          queueName: row.queue_name,
          payloadTemplate: row.payload_template,
          priority: row.priority,
          maxRetries: row.max_retries,
          timeoutSeconds: row.timeout_seconds,
          tags: row.tags,
          metadata: row.metadata,
        });
        expect(isRetimed(row, same)).toBe(false);
      }),
    );
  });

  it('that names everything makes what a new one would be, on the same queue', () => {
    fc.assert(
      fc.property(rows, rows, (row, wanted) => {
        const request = {
          ...wanted,
          payload_template: wanted.payload_template as object,
          tags: wanted.tags as Record<string, unknown> | null,
        };
        const made = defined({ ...request, queue_name: row.queue_name });
        expect(revised(row, request)).toEqual(made);
        expect(isRetimed(row, made)).toBe(
          row.cron_expression !== wanted.cron_expression || row.timezone !== wanted.timezone,
        );
      }),
    );
  });

  it('that nulls what may be empty empties it, and leaves the rest', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const nothing = {
          name: null,
          description: null,
          cron_expression: null,
          timezone: null,
          priority: null,
          max_retries: null,
          timeout_seconds: null,
          tags: null,
          metadata: null,
        };
        expect(revised(row, nothing)).toEqual({
          ...revised(row, {}),
          description: null,
          maxRetries: null,
          timeoutSeconds: null,
          tags: null,
          metadata: null,
        });
      }),
    );
  });
});
