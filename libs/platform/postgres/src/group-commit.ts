import { AppError } from '@spooled/contracts';
import type { Metrics } from '@spooled/telemetry';
import { sqlState } from './database.js';

export interface GroupCommitOptions<I, O> {
  /** Metric label, such as `jobs.enqueue`. */
  readonly name: string;
  /** Runs one batch in one transaction; answers in the order of the items. An `AppError` is that caller's answer only. */
  readonly run: (items: readonly I[]) => Promise<readonly (O | AppError)[]>;
  /** Rows an item brings. @default 1 each */
  readonly weigh?: (item: I) => number;
  /** Rows per batch. @default 500 */
  readonly maxRows?: number;
  /** Batches under way at once. @default 2 */
  readonly maxInFlight?: number;
  /** Callers waiting before further ones are refused with 429. @default 5000 */
  readonly maxWaiting?: number;
  readonly metrics: Metrics;
}

interface Waiting<I, O> {
  readonly item: I;
  readonly resolve: (answer: O) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: calls that arrive while a batch is under way form the next one, and share its transaction. There is
 * no timer: an idle system sends a batch of one at once, a busy one grows batches by itself. Every caller still waits
 * for its own durable commit.
 */
export class GroupCommit<I, O> {
  readonly #options: Required<Omit<GroupCommitOptions<I, O>, 'metrics'>>;
  readonly #rows;
  #queue: Waiting<I, O>[] = [];
  #inFlight = 0;
  #isFlushing = false;

  constructor(options: GroupCommitOptions<I, O>) {
    this.#options = {
      weigh: () => 1,
      maxRows: 500,
      maxInFlight: 2,
      maxWaiting: 5000,
      ...options,
    };
    this.#rows = options.metrics.histogram({
      name: 'spooled_group_commit_rows',
      help: 'Rows in one grouped transaction.',
      labelNames: ['statement'],
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    });
  }

  /** @throws AppError `RATE_LIMIT_EXCEEDED` when too many callers wait already. */
  submit(item: I): Promise<O> {
    if (this.#queue.length >= this.#options.maxWaiting) {
      return Promise.reject(
        new AppError('RATE_LIMIT_EXCEEDED', 'The server is busy; try again.', {
          retryAfterSecs: 1,
        }),
      );
    }
    return new Promise<O>((resolve, reject) => {
      this.#queue.push({ item, resolve, reject });
      this.#schedule();
    });
  }

  /** Flushes at the end of this turn of the event loop, so that requests read from sockets together travel together. */
  #schedule(): void {
    if (this.#isFlushing || this.#inFlight >= this.#options.maxInFlight) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      while (this.#queue.length > 0 && this.#inFlight < this.#options.maxInFlight) {
        void this.#flush(this.#take());
      }
    });
  }

  #take(): Waiting<I, O>[] {
    const { weigh, maxRows } = this.#options;
    let rows = 0;
    let count = 0;
    for (const { item } of this.#queue) {
      rows += weigh(item);
      if (count > 0 && rows > maxRows) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  async #flush(batch: Waiting<I, O>[]): Promise<void> {
    this.#inFlight += 1;
    try {
      await this.#settle(batch);
    } finally {
      this.#inFlight -= 1;
      if (this.#queue.length > 0) this.#schedule();
    }
  }

  async #settle(batch: Waiting<I, O>[]): Promise<void> {
    const { run, weigh, name } = this.#options;
    try {
      const answers = await run(batch.map(({ item }) => item));
      this.#rows.observe(
        { statement: name },
        batch.reduce((sum, { item }) => sum + weigh(item), 0),
      );
      batch.forEach((waiting, index) => {
        const answer = answers[index] as O | AppError;
        if (answer instanceof AppError) waiting.reject(answer);
        else waiting.resolve(answer);
      });
    } catch (error) {
      if (batch.length === 1 || !isRowFailure(error)) {
        for (const waiting of batch) waiting.reject(error);
        return;
      }
      // One bad row fails alone: the halves are tried again until it stands by itself.
      const middle = batch.length >> 1;
      await this.#settle(batch.slice(0, middle));
      await this.#settle(batch.slice(middle));
    }
  }
}

/** Data exceptions (class 22) and broken constraints (class 23) are some row's fault, not the batch's. */
function isRowFailure(error: unknown): boolean {
  return /^(22|23)/.test(sqlState(error) ?? '');
}
