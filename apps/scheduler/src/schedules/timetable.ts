import { AppError } from '@spooled/contracts';
import { Cron } from 'croner';
import { parseCron } from './domain/cron-expression.js';
import { nextFire, type Calendar } from './domain/next-fire.js';
import { timeZone } from './domain/time-zone.js';

/** When a schedule fires: its expression, evaluated on the clock of its zone. */
export interface Timetable {
  /** The first tick after an instant. */
  nextAfter(instant: Date): Date;
}

/** croner keeps 80 KB for an expression, and making one takes as long as evaluating it five times. */
const MAX_CALENDARS = 100;
const MAX_ZONES = 200;

const calendarOf = remembered(MAX_CALENDARS, calendar);
const zoneOf = remembered(MAX_ZONES, timeZone);

/** @throws AppError `VALIDATION_ERROR` for a bad expression or zone, and for dates that never come */
export function timetable(expression: string, zoneName: string): Timetable {
  const calendar = calendarOf(parseCron(expression));
  const zone = zoneOf(zoneName);
  if (zone === null) {
    throw AppError.invalid('timezone', 'must be the IANA name of a time zone, or an offset ±HH:MM');
  }
  return {
    nextAfter: (instant) => {
      const next = nextFire(calendar, zone, instant.getTime());
      if (next === null) throw AppError.invalid('cron_expression', 'names a date that never comes');
      return new Date(next);
    },
  };
}

/** The library evaluates the plain calendar; what clocks do to it is the policy of `nextFire`, not the library's. */
function calendar(expression: string): Calendar {
  const cron = new Cron(expression, { mode: '6-part', utcOffset: 0, paused: true });
  return { nextAfter: (wallTime) => cron.nextRun(new Date(wallTime))?.getTime() ?? null };
}

/** Remembers the answers for the last `max` names at least. */
function remembered<T>(max: number, make: (name: string) => T): (name: string) => T {
  let [young, old] = [new Map<string, T>(), new Map<string, T>()];
  return (name) => {
    const known = young.get(name);
    if (known !== undefined) return known;
    const found = old.get(name) ?? make(name);
    if (young.size >= max) [young, old] = [new Map<string, T>(), young];
    young.set(name, found);
    return found;
  };
}
