import fc from 'fast-check';
import { timeZone } from './time-zone.js';

const HOUR = 3_600_000;
const at = (text: string) => Date.parse(text);

describe('a time zone', () => {
  it.each([
    ['UTC', '2026-07-01T00:00:00Z', 0],
    ['utc', '2026-07-01T00:00:00Z', 0],
    ['Europe/Berlin', '2026-01-01T00:00:00Z', 1],
    ['Europe/Berlin', '2026-07-01T00:00:00Z', 2],
    ['europe/berlin', '2026-07-01T00:00:00Z', 2],
    ['US/Eastern', '2026-01-01T00:00:00Z', -5],
    ['Asia/Kathmandu', '2026-01-01T00:00:00Z', 5.75],
    ['Australia/Lord_Howe', '2026-01-01T00:00:00Z', 11],
    ['Australia/Lord_Howe', '2026-07-01T00:00:00Z', 10.5],
    ['Pacific/Apia', '2011-12-01T00:00:00Z', -10],
    ['Pacific/Apia', '2012-01-01T00:00:00Z', 14],
    ['Africa/Monrovia', '1970-01-01T00:00:00Z', -(44 / 60 + 30 / 3600)],
    ['+05:30', '2026-01-01T00:00:00Z', 5.5],
    ['-09:45', '2026-01-01T00:00:00Z', -9.75],
    ['-00:00', '2026-01-01T00:00:00Z', -0],
    ['+23:59', '2026-01-01T00:00:00Z', 24 - 1 / 60],
  ])('%s is at %s so many hours ahead: %s', (name, instant, hours) => {
    expect(timeZone(name)!.offsetAt(at(instant)) / HOUR).toBeCloseTo(hours, 10);
  });

  it.each([
    '',
    ' ',
    'Mars/Olympus',
    'Europe/Berlin ',
    'CET+1',
    'GMT+3',
    'Z',
    '+5',
    '+05',
    '+0530',
    '+5:30',
    '+24:00',
    '+05:60',
    '05:30',
    '+05:30:00',
    '\0',
    'UTC\0',
    '__proto__',
  ])('does not exist under the name %j', (name) => {
    expect(timeZone(name)).toBeNull();
  });

  it('agrees with Intl on what clocks show, in every zone at any time', () => {
    const zones = Intl.supportedValuesOf('timeZone');
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({
          min: at('1970-01-01T00:00:00Z') / 1000,
          max: at('2050-01-01T00:00:00Z') / 1000,
        }),
        (name, seconds) => {
          const shown = new Date(seconds * 1000).toLocaleString('sv-SE', { timeZone: name });
          const offset = timeZone(name)!.offsetAt(seconds * 1000);
          expect(at(`${shown.replace(' ', 'T')}Z`)).toBe(seconds * 1000 + offset);
        },
      ),
      { numRuns: 500 },
    );
  });
});
