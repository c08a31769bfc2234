/** How long to wait, and waiting that can be given up. */

export interface BackoffOptions {
  /** Before the first repetition; doubles with each. Default 1000. */
  readonly baseDelayMs?: number;
  /** Default 30000. */
  readonly maxDelayMs?: number;
}

/** Before repetition `attempt`, counted from 0: doubled each time, plus up to a quarter so that not all come at once. */
export function backoffMs(
  attempt: number,
  { baseDelayMs = 1000, maxDelayMs = 30_000 }: BackoffOptions,
): number {
  return Math.min(baseDelayMs * 2 ** attempt, maxDelayMs) * (1 + Math.random() / 4);
}

/** @throws the reason of the signal as soon as it aborts. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const giveUp = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', giveUp);
      resolve();
    }, ms);
    signal?.addEventListener('abort', giveUp, { once: true });
  });
}
