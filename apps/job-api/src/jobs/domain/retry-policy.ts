/** Source of the noise in [0, 1), so that jobs that failed together do not come back together. */
export type Random = () => number;

const MAX_DELAY_SECS = 60;
const MAX_JITTER_MS = 500;

/**
 * Delays by retry count, in milliseconds: 1 s, doubled each time, at most 60 s. The last one holds for all later
 * retries. The fail statement takes the whole ladder, since only it knows the count.
 */
export const backoffLadderMs: readonly number[] = Array.from(
  { length: 7 },
  (_, retryCount) => Math.min(2 ** retryCount, MAX_DELAY_SECS) * 1000,
);

/** The delay before the retry after this many, in whole seconds. */
export function backoffSecs(retryCount: number): number {
  return backoffLadderMs[Math.min(retryCount, backoffLadderMs.length - 1)]! / 1000;
}

/** 0-499 ms. */
export function backoffJitterMs(random: Random): number {
  return Math.floor(random() * MAX_JITTER_MS);
}
