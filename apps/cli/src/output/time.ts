import { usageError } from '../exit-code.js';

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** `2h 5m`, in the two largest units; `250ms` when it is less than a second. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  let rest = ms;
  const parts = units.flatMap(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return [{ count, text: `${count}${unit}` }];
  });
  const first = parts.findIndex(({ count }) => count > 0);
  return parts
    .slice(first, first + 2)
    .filter(({ count }) => count > 0)
    .map(({ text }) => text)
    .join(' ');
}

/** `3m ago`, `in 2h 5m`; `-` for a time that there is not. */
export function relativeTime(instant: string | null | undefined, now = Date.now()): string {
  if (instant == null) return '-';
  const ms = Date.parse(instant) - now;
  if (Math.abs(ms) < 1_000) return 'now';
  return ms < 0 ? `${duration(-ms)} ago` : `in ${duration(ms)}`;
}

/** A time that is given as one (RFC 3339), or as so long from now: `90s`, `5m`, `2h`, `7d`. */
export function instantOf(text: string, direction: 'ago' | 'ahead', now = Date.now()): Date {
  const ms = durationOf(text);
  if (ms !== undefined) return new Date(direction === 'ago' ? now - ms : now + ms);
  const at = new Date(text);
  if (Number.isNaN(at.getTime()) || !/^\d{4}-/.test(text)) {
    throw usageError(`${text} is no time: write 5m, 2h, 7d, or 2030-01-02T03:04:05Z.`);
  }
  return at;
}

/** @throws CliError when it is no duration. */
export function durationMs(text: string): number {
  const ms = durationOf(text);
  if (ms === undefined) throw usageError(`${text} is no duration: write 90s, 5m, 2h or 7d.`);
  return ms;
}

/** A duration as the server takes it, rounded up. @throws CliError when it is no duration. */
export function wholeSeconds(text: string): number {
  return Math.ceil(durationMs(text) / 1000);
}

function durationOf(text: string): number | undefined {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (count === undefined || unit === undefined) return undefined;
  return Number(count) * (unit === 'ms' ? 1 : (units.find(([name]) => name === unit)?.[1] ?? 0));
}
