import { CronExpressionParser } from 'cron-parser';
import fc from 'fast-check';
import { timeZone } from './domain/time-zone.js';
import { timetable } from './timetable.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The next ticks, as instants in UTC. */
function ticks(expression: string, zone: string, after: string, count: number): string[] {
  const table = timetable(expression, zone);
  const found: string[] = [];
  for (let last = new Date(after); found.length < count;) {
    last = table.nextAfter(last);
    found.push(last.toISOString().replace(':00.000Z', 'Z').replace('.000Z', 'Z'));
  }
  return found;
}

describe('the ticks of an expression', () => {
  it.each([
    ['every minute', '* * * * *', ['01-01T00:01Z', '01-01T00:02Z', '01-01T00:03Z']],
    [
      'every ten seconds',
      '*/10 * * * * *',
      ['01-01T00:00:10Z', '01-01T00:00:20Z', '01-01T00:00:30Z'],
    ],
    ['workdays at nine', '0 9 * * MON-FRI', ['01-01T09:00Z', '01-02T09:00Z', '01-05T09:00Z']],
    ['Sundays by 0', '0 9 * * 0', ['01-04T09:00Z', '01-11T09:00Z', '01-18T09:00Z']],
    ['Sundays by 7', '0 9 * * 7', ['01-04T09:00Z', '01-11T09:00Z', '01-18T09:00Z']],
    ['the weekend', '0 9 * * SAT-SUN', ['01-03T09:00Z', '01-04T09:00Z', '01-10T09:00Z']],
    ['the 13th or a Friday', '0 0 13 * FRI', ['01-02T00:00Z', '01-09T00:00Z', '01-13T00:00Z']],
    [
      'every day of month, Fridays',
      '0 0 * * FRI',
      ['01-02T00:00Z', '01-09T00:00Z', '01-16T00:00Z'],
    ],
    [
      'the 31st, in months that have one',
      '0 0 31 * *',
      ['01-31T00:00Z', '03-31T00:00Z', '05-31T00:00Z'],
    ],
    ['a range with a step', '0 8-20/6 * * *', ['01-01T08:00Z', '01-01T14:00Z', '01-01T20:00Z']],
    [
      'a step that does not divide',
      '*/25 * * * *',
      ['01-01T00:25Z', '01-01T00:50Z', '01-01T01:00Z'],
    ],
  ])('are right for %s', (_name, expression, expected) => {
    expect(ticks(expression, 'UTC', '2026-01-01T00:00:00Z', 3)).toEqual(
      expected.map((each) => `2026-${each}`),
    );
  });

  it('come only in leap years for 29 February', () => {
    expect(ticks('0 0 29 2 *', 'UTC', '2096-03-01T00:00:00Z', 1)).toEqual(['2104-02-29T00:00Z']);
  });

  it.each([
    ['Europe/Berlin', '2026-07-01T07:00Z'],
    ['America/New_York', '2026-07-01T13:00Z'],
    ['Asia/Kolkata', '2026-07-01T03:30Z'],
    ['+05:45', '2026-07-01T03:15Z'],
    ['-03:30', '2026-07-01T12:30Z'],
  ])('follow the clock of %s', (zone, expected) => {
    expect(ticks('0 9 * * *', zone, '2026-07-01T00:00:00Z', 1)).toEqual([expected]);
  });

  it('are later than the instant asked about, also when that is a tick or between seconds', () => {
    expect(ticks('0 9 * * *', 'UTC', '2026-01-01T09:00:00Z', 1)).toEqual(['2026-01-02T09:00Z']);
    expect(ticks('0 9 * * *', 'UTC', '2026-01-01T08:59:59.999Z', 1)).toEqual(['2026-01-01T09:00Z']);
    expect(ticks('0 9 * * *', 'UTC', '2026-01-01T09:00:00.001Z', 1)).toEqual(['2026-01-02T09:00Z']);
  });

  it.each([
    ['30 February', '0 0 30 2 *'],
    ['31 of short months', '0 0 31 2,4,6,9,11 *'],
  ])('do not exist for %s', (_name, expression) => {
    expect(() => timetable(expression, 'UTC').nextAfter(new Date())).toThrow('never comes');
  });

  it('exist for 30 February or a Monday, since either may match', () => {
    expect(ticks('0 0 30 2 MON', 'UTC', '2026-02-20T00:00:00Z', 1)).toEqual(['2026-02-23T00:00Z']);
  });

  it('do not exist in an unknown zone', () => {
    expect(() => timetable('* * * * *', 'Mars/Olympus')).toThrow('timezone');
  });
});

/** New York: 02:00 → 03:00 at 07:00Z on 8 March 2026, 02:00 → 01:00 at 06:00Z on 1 November 2026. */
describe('when the clock is moved', () => {
  it.each([
    [
      'forward: a time that is skipped does not fire',
      ['30 2 * * *', 'America/New_York', '2026-03-07T00:00:00Z'],
      ['2026-03-07T07:30Z', '2026-03-09T06:30Z'],
    ],
    [
      'forward: the first minute after the gap is no substitute',
      ['0 2 * * *', 'America/New_York', '2026-03-07T12:00:00Z'],
      ['2026-03-09T06:00Z', '2026-03-10T06:00Z'],
    ],
    [
      'forward: times around the gap fire as they are shown',
      ['0 1,3 * * *', 'America/New_York', '2026-03-08T05:00:00Z'],
      ['2026-03-08T06:00Z', '2026-03-08T07:00Z'],
    ],
    [
      'forward: every quarter of an hour goes on without a break',
      ['*/15 * * * *', 'America/New_York', '2026-03-08T06:30:00Z'],
      ['2026-03-08T06:45Z', '2026-03-08T07:00Z', '2026-03-08T07:15Z'],
    ],
    [
      'forward: every two hours misses the one that is skipped',
      ['0 */2 * * *', 'America/New_York', '2026-03-08T04:00:00Z'],
      ['2026-03-08T05:00Z', '2026-03-08T08:00Z', '2026-03-08T10:00Z'],
    ],
    [
      'back: a time that is shown twice fires the first time',
      ['30 1 * * *', 'America/New_York', '2026-10-31T12:00:00Z'],
      ['2026-11-01T05:30Z', '2026-11-02T06:30Z'],
    ],
    [
      'back: asked in the second pass, it has fired',
      ['30 1 * * *', 'America/New_York', '2026-11-01T06:10:00Z'],
      ['2026-11-02T06:30Z'],
    ],
    [
      'back: every hour fires once for 01:00, so two hours apart',
      ['0 * * * *', 'America/New_York', '2026-11-01T04:00:00Z'],
      ['2026-11-01T05:00Z', '2026-11-01T07:00Z', '2026-11-01T08:00Z'],
    ],
    [
      'back: every twenty minutes rests in the second pass',
      ['*/20 * * * *', 'America/New_York', '2026-11-01T05:20:00Z'],
      ['2026-11-01T05:40Z', '2026-11-01T07:00Z', '2026-11-01T07:20Z'],
    ],
    [
      'back: every second rests in the second pass',
      ['* * * * * *', 'America/New_York', '2026-11-01T05:59:58Z'],
      ['2026-11-01T05:59:59Z', '2026-11-01T07:00Z', '2026-11-01T07:00:01Z'],
    ],
    [
      'back: asked in the second pass, every second waits for its end',
      ['* * * * * *', 'America/New_York', '2026-11-01T06:00:01Z'],
      ['2026-11-01T07:00Z'],
    ],
    [
      'by half an hour, forward (Lord Howe, 02:00 → 02:30)',
      ['*/15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T15:00:00Z'],
      ['2026-10-03T15:30Z', '2026-10-03T15:45Z', '2026-10-04T15:00Z'],
    ],
    [
      'by half an hour, back (Lord Howe, 02:00 → 01:30)',
      ['*/15 1 * * *', 'Australia/Lord_Howe', '2026-04-04T14:10:00Z'],
      ['2026-04-04T14:15Z', '2026-04-04T14:30Z', '2026-04-04T14:45Z', '2026-04-05T14:30Z'],
    ],
    [
      'by a day (Apia had no 30 December 2011)',
      ['0 12 * * *', 'Pacific/Apia', '2011-12-29T00:00:00Z'],
      ['2011-12-29T22:00Z', '2011-12-30T22:00Z'],
    ],
    [
      'by a day, every second',
      ['* * * * * *', 'Pacific/Apia', '2011-12-30T09:59:58Z'],
      ['2011-12-30T09:59:59Z', '2011-12-30T10:00Z'],
    ],
    [
      'at midnight, forward (Cairo, no 00:00 on 24 April 2026)',
      ['0 0 * * *', 'Africa/Cairo', '2026-04-22T23:00:00Z'],
      ['2026-04-24T21:00Z'],
    ],
    [
      'not at all, with a fixed offset',
      ['30 2 * * *', '-05:00', '2026-03-07T00:00:00Z'],
      ['2026-03-07T07:30Z', '2026-03-08T07:30Z', '2026-03-09T07:30Z'],
    ],
  ] as [string, [string, string, string], string[]][])(
    '%s',
    (_name, [expression, zone, after], expected) => {
      expect(ticks(expression, zone, after, expected.length)).toEqual(expected);
    },
  );
});

const zones = [
  'UTC',
  'Europe/Berlin',
  'Europe/Dublin',
  'America/New_York',
  'America/Santiago',
  'America/St_Johns',
  'America/Havana',
  'Australia/Lord_Howe',
  'Australia/Sydney',
  'Africa/Cairo',
  'Africa/Casablanca',
  'Asia/Beirut',
  'Asia/Gaza',
  'Asia/Kathmandu',
  'Asia/Tehran',
  'Pacific/Apia',
  'Pacific/Chatham',
  'Pacific/Kiritimati',
  'Antarctica/Troll',
  'Atlantic/Azores',
];

/** Instants at which a zone's clock is moved, between two years. */
function changes(zone: string, from: number, to: number): number[] {
  const { offsetAt } = timeZone(zone)!;
  const found: number[] = [];
  for (let day = Date.UTC(from, 0); day < Date.UTC(to, 0); day += DAY) {
    if (offsetAt(day) === offsetAt(day + DAY)) continue;
    let minute = day;
    while (offsetAt(minute) === offsetAt(minute + MINUTE)) minute += MINUTE;
    found.push(minute + MINUTE);
  }
  return found;
}

const item = (min: number, max: number): fc.Arbitrary<string> => {
  const range = fc
    .tuple(fc.integer({ min, max }), fc.integer({ min, max }))
    .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
  const step = fc.integer({ min: 1, max: max - min });
  return fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min, max }).map(String) },
    { weight: 1, arbitrary: range },
    { weight: 1, arbitrary: fc.tuple(range, step).map(([each, size]) => `${each}/${size}`) },
    { weight: 1, arbitrary: step.map((size) => `*/${size}`) },
  );
};
const field = (min: number, max: number): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant('*') },
    { weight: 3, arbitrary: fc.array(item(min, max), { minLength: 1, maxLength: 3 }).map(String) },
  );
const expressions = fc
  .tuple(
    fc.option(field(0, 59), { nil: '0' }),
    field(0, 59),
    field(0, 23),
    field(1, 31),
    field(1, 12),
    field(0, 6),
  )
  .map((fields) => fields.join(' '));
const instants = fc
  .integer({ min: Date.UTC(2000, 0) / 1000, max: Date.UTC(2037, 0) / 1000 })
  .map((seconds) => seconds * 1000);

describe('any expression, in any zone', () => {
  it('means what another library says, away from the days on which the clock is moved', () => {
    const changesOf = new Map(zones.map((zone) => [zone, changes(zone, 2000, 2045)]));
    const isNearChange = (zone: string, instant: number) =>
      changesOf.get(zone)!.some((change) => Math.abs(change - instant) < 2 * DAY);
    let compared = 0;
    fc.assert(
      fc.property(expressions, fc.constantFrom(...zones), instants, (expression, zone, after) => {
        const ours = next(expression, zone, after);
        const theirs = nextOfOther(expression, zone, after);
        if ([ours, theirs, after].some((each) => each !== null && isNearChange(zone, each))) return;
        // Either library looks only so far ahead for a date that is rare.
        if (ours === null || theirs === null) return;
        compared += 1;
        expect({ expression, zone, after, next: ours }).toEqual({
          expression,
          zone,
          after,
          next: theirs,
        });
      }),
      { numRuns: 800 },
    );
    expect(compared).toBeGreaterThan(200);
  });

  it('fires where the clock is moved exactly when it shows a new time that matches', () => {
    const moved = zones.flatMap((zone) =>
      changes(zone, 2005, 2030).map((change) => ({ zone, change })),
    );
    expect(moved.length).toBeGreaterThan(500);
    const patterns = fc
      .tuple(field(0, 59), field(0, 23), field(1, 31), field(0, 6))
      .map(([minute, hour, day, weekday]) => `${minute} ${hour} ${day} * ${weekday}`);
    let fired = 0;
    fc.assert(
      fc.property(fc.constantFrom(...moved), patterns, ({ zone, change }, expression) => {
        const { offsetAt } = timeZone(zone)!;
        const jump = Math.abs(offsetAt(change) - offsetAt(change - MINUTE));
        const [from, to] = [change - jump - 3 * HOUR, change + jump + 3 * HOUR];
        const expected = newTimesThatMatch(expression, zone, from, to);
        fired += expected.length;
        expect({ zone, change, expression, fires: fires(expression, zone, from, to) }).toEqual({
          zone,
          change,
          expression,
          fires: expected,
        });
      }),
      { numRuns: 300 },
    );
    expect(fired).toBeGreaterThan(1000);
  });

  it('fires at ticks that only go forward, wherever one begins to look', () => {
    fc.assert(
      fc.property(
        expressions,
        fc.constantFrom(...zones),
        instants,
        fc.integer({ min: 0, max: 3 * DAY }),
        (expression, zone, after, back) => {
          const tick = next(expression, zone, after);
          if (tick === null) return;
          expect(tick).toBeGreaterThan(after);
          expect(tick % 1000).toBe(0);
          // From earlier on, one comes to this tick or to one before it, never past it.
          const earlier = next(expression, zone, after - back);
          expect(earlier).toBeLessThanOrEqual(tick);
          if (earlier! > after) expect(earlier).toBe(tick);
        },
      ),
      { numRuns: 500 },
    );
  });
});

function next(expression: string, zone: string, after: number): number | null {
  try {
    return timetable(expression, zone).nextAfter(new Date(after)).getTime();
  } catch (error) {
    expect(String(error)).toContain('never comes');
    return null;
  }
}

function nextOfOther(expression: string, tz: string, after: number): number | null {
  try {
    const parsed = CronExpressionParser.parse(expression, { tz, currentDate: new Date(after) });
    return parsed.next().getTime();
  } catch {
    return null;
  }
}

function fires(expression: string, zone: string, from: number, to: number): number[] {
  const found: number[] = [];
  for (let tick = next(expression, zone, from); tick !== null && tick <= to;) {
    found.push(tick);
    tick = next(expression, zone, tick);
  }
  return found;
}

/** The policy, by looking at the clock every minute. */
function newTimesThatMatch(expression: string, zone: string, from: number, to: number): number[] {
  const { offsetAt } = timeZone(zone)!;
  const found: number[] = [];
  let newest = from + offsetAt(from);
  for (let instant = from + MINUTE; instant <= to; instant += MINUTE) {
    const shown = instant + offsetAt(instant);
    if (shown <= newest) continue;
    newest = shown;
    if (matches(expression, new Date(shown))) found.push(instant);
  }
  return found;
}

/** Whether a wall-clock time, written as if it were UTC, matches five fields. */
function matches(expression: string, wallTime: Date): boolean {
  const [minute, hour, day, , weekday] = expression.split(' ') as [
    string,
    string,
    string,
    string,
    string,
  ];
  const dayMatches = has(day, wallTime.getUTCDate(), 1, 31);
  const weekdayMatches = has(weekday, wallTime.getUTCDay(), 0, 6);
  const isDay =
    day === '*' || weekday === '*' ? dayMatches && weekdayMatches : dayMatches || weekdayMatches;
  return (
    isDay &&
    has(minute, wallTime.getUTCMinutes(), 0, 59) &&
    has(hour, wallTime.getUTCHours(), 0, 23)
  );
}

function has(text: string, value: number, min: number, max: number): boolean {
  return text.split(',').some((each) => {
    const [range, step = '1'] = each.split('/') as [string, string?];
    const [from, to] = range === '*' ? [min, max] : range.split('-').map(Number);
    const end = to ?? from!;
    return value >= from! && value <= end && (value - from!) % Number(step) === 0;
  });
}
