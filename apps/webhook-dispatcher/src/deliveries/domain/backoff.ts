const MAX_DELAY_SECS = 32;

/** Seconds from the end of the nth failed attempt to the next one: 1, 2, 4 … 32. */
export function retryDelaySecs(attempt: number): number {
  return Math.min(2 ** (attempt - 1), MAX_DELAY_SECS);
}
