import type { TimeZone } from './time-zone.js';

/** The wall-clock times at which something is to happen, in no zone: what a cron expression says by itself. */
export interface Calendar {
  /**
   * The first such time after another one; `null` when there is none any more. A wall-clock time is written as the
   * milliseconds since 1970-01-01T00:00 of a clock that is never moved.
   */
  nextAfter(wallTime: number): number | null;
}

/** No clock was ever further behind or ahead of UTC than this. */
const FURTHEST_MS = 16 * 3_600_000;
/** Changes of the clock that one search passes; nothing real comes near. */
const MAX_CHANGES = 500;

/**
 * The first instant after `after` at which the clock of the zone shows a time of the calendar **that it has not shown
 * before**; `null` when there is none. So a local time that is skipped when clocks go forward does not fire, and one that
 * is shown twice when they go back fires the first time only, whatever the pattern (docs/adr/0011).
 */
export function nextFire(calendar: Calendar, zone: TimeZone, after: number): number | null {
  let from = after + zone.offsetAt(after);
  for (let changes = 0; changes < MAX_CHANGES; changes += 1) {
    const wallTime = calendar.nextAfter(from);
    if (wallTime === null) return null;
    const instant = firstShown(zone, wallTime);
    if (instant !== null && instant > after) return instant;
    // Skipped, or shown before: nothing fires until the clock shows something new.
    from = newTimesAfterChange(zone, wallTime) - 1;
  }
  return null;
}

/** The first instant at which the clock shows this time; `null` when it is skipped. */
function firstShown(zone: TimeZone, wallTime: number): number | null {
  const [before, after] = offsetsAround(zone, wallTime);
  const shown = [wallTime - before, wallTime - after].filter(
    (instant) => instant + zone.offsetAt(instant) === wallTime,
  );
  return shown.length === 0 ? null : Math.min(...shown);
}

/** The first time the clock shows that is new, after the change of the clock that skips or repeats `wallTime`. */
function newTimesAfterChange(zone: TimeZone, wallTime: number): number {
  const [offsetBefore, offsetAfter] = offsetsAround(zone, wallTime);
  let [before, changed] = [wallTime - FURTHEST_MS, wallTime + FURTHEST_MS];
  while (changed - before > 1000) {
    const middle = before + Math.floor((changed - before) / 2000) * 1000;
    if (zone.offsetAt(middle) === offsetBefore) before = middle;
    else changed = middle;
  }
  return changed + Math.max(offsetBefore, offsetAfter);
}

/** The offsets before and after any change of the clock that could concern a local time. */
function offsetsAround(zone: TimeZone, wallTime: number): [before: number, after: number] {
  return [zone.offsetAt(wallTime - FURTHEST_MS), zone.offsetAt(wallTime + FURTHEST_MS)];
}
