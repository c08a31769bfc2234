import { useNow } from '../live/clock.js';

const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

/** `3 m ago`, `in 2 h`; the whole time on hover. Null: a dash. */
export function Ago({ at }: { readonly at: string | null | undefined }) {
  const now = useNow();
  if (at == null || at === '') return <>–</>;
  const seconds = Math.round((now - Date.parse(at)) / 1000);
  const text =
    seconds < 0 ? `in ${spanOf(-seconds)}` : seconds < 2 ? 'now' : `${spanOf(seconds)} ago`;
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {text}
    </time>
  );
}

/** A clock time with seconds. */
export function ClockTime({ at }: { readonly at: string | number }) {
  const date = new Date(at);
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()}>
      {date.toLocaleTimeString(undefined, { hour12: false })}
    </time>
  );
}

/** @param ms `480 ms`, `2.3 s`, `4 m 12 s` */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} m ${Math.floor((ms % 60_000) / 1000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
}

function spanOf(seconds: number): string {
  const [unit, size] = units.find(([, size]) => seconds >= size) ?? ['s', 1];
  return `${Math.floor(seconds / size)} ${unit}`;
}
