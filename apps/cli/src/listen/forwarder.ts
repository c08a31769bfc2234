import { setTimeout as delay } from 'node:timers/promises';

import { deliveryHeaders, type Delivery } from './delivery.js';

/** What came of an attempt. */
export interface Attempt {
  readonly attempt: number;
  /** Null when there was no answer. */
  readonly statusCode: number | null;
  readonly durationMs: number;
  readonly error: string | null;
  readonly isSuccess: boolean;
  /** Undefined when it was the last. */
  readonly nextInMs: number | undefined;
}

export interface ForwarderOptions {
  readonly url: string;
  readonly secret: string;
  /** All together, of one delivery. */
  readonly maxAttempts: number;
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 10_000;
const MAX_DELAY_MS = 32_000;

/** As the product does: anything but a 2xx within ten seconds is tried again after 1, 2, 4 … seconds. */
export async function* forward(
  delivery: Delivery,
  { url, secret, maxAttempts, signal }: ForwarderOptions,
): AsyncGenerator<Attempt, void> {
  for (let attempt = 1; ; attempt += 1) {
    const startedAt = performance.now();
    const answer = await post(
      url,
      delivery.body,
      deliveryHeaders(delivery, attempt, secret),
      signal,
    );
    const isSuccess =
      answer.statusCode !== null && answer.statusCode >= 200 && answer.statusCode < 300;
    const isLast = isSuccess || attempt >= maxAttempts;
    const nextInMs = isLast ? undefined : Math.min(1000 * 2 ** (attempt - 1), MAX_DELAY_MS);
    const durationMs = Math.round(performance.now() - startedAt);
    yield { attempt, ...answer, durationMs, isSuccess, nextInMs };
    if (nextInMs === undefined) return;
    await delay(nextInMs, undefined, { signal });
  }
}

async function post(
  url: string,
  body: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Pick<Attempt, 'statusCode' | 'error'>> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const request = { method: 'POST', body, headers, signal: limit, redirect: 'manual' } as const;
    const response = await fetch(url, request);
    await response.body?.cancel();
    return { statusCode: response.status, error: null };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const { message, cause, name } = error as Error;
    if (name === 'TimeoutError') return { statusCode: null, error: 'no answer within 10 s' };
    const reason =
      cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : message;
    return { statusCode: null, error: reason };
  }
}
