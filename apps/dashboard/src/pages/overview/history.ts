import type { Second } from '../../live/activity.js';

/** Seconds of history put together, so that a long window is not a wall of noise. */
export interface Bin {
  /** Unix seconds at its end. */
  readonly at: number;
  /** Per second. */
  readonly created: number;
  readonly completed: number;
  readonly failed: number;
  /** Milliseconds; null when nothing was completed. */
  readonly median: number | null;
  readonly p95: number | null;
  readonly depths: ReadonlyMap<string, number>;
}

/** What can be looked at, and how many seconds are then one point. */
export const windows = [
  { label: '1 min', seconds: 60, binSeconds: 1 },
  { label: '5 min', seconds: 300, binSeconds: 3 },
  { label: '15 min', seconds: 900, binSeconds: 10 },
] as const;
export type Window = (typeof windows)[number];

/** Bins begin at whole multiples of their length, so that they do not change as time goes on. The last may be partial. */
export function binned(history: readonly Second[], { seconds, binSeconds }: Window): Bin[] {
  const bins = new Map<number, Second[]>();
  for (const second of history.slice(-seconds)) {
    const end = (Math.floor(second.at / binSeconds) + 1) * binSeconds;
    const bin = bins.get(end);
    if (bin === undefined) bins.set(end, [second]);
    else bin.push(second);
  }
  return [...bins].map(([at, members]) => binOf(at, members));
}

function binOf(at: number, members: readonly Second[]): Bin {
  const perSecond = (pick: (second: Second) => number) =>
    members.reduce((sum, second) => sum + pick(second), 0) / members.length;
  const durations = members.flatMap(({ durations }) => durations).sort((a, b) => a - b);
  return {
    at,
    created: perSecond(({ created }) => created),
    completed: perSecond(({ completed }) => completed),
    failed: perSecond(({ failed }) => failed),
    median: quantile(durations, 0.5),
    p95: quantile(durations, 0.95),
    depths: members.at(-1)?.depths ?? new Map(),
  };
}

/** @param sorted ascending */
function quantile(sorted: readonly number[], part: number): number | null {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? null;
}
