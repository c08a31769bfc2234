import type { Logger, Metrics } from '@spooled/telemetry';

export interface LoopOptions {
  /** Metric label, such as `jobs.lease-reaper`. */
  readonly name: string;
  /** One step; answers the milliseconds until the next one. The signal aborts when the loop stops. */
  readonly step: (signal: AbortSignal) => Promise<number>;
  /** Share of each delay that is random, so that instances do not march in step. @default 0.1 */
  readonly jitterRatio?: number;
  /** Delay after a step that threw, in milliseconds. @default 1000 */
  readonly errorDelayMs?: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A background loop: never two steps at once, survives a failing step, and `stop` waits for the step under way. */
export class Loop {
  readonly #options: LoopOptions;
  readonly #steps;
  readonly #seconds;
  #abort: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #isWakePending = false;
  #isFailing = false;
  #done = 0;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#steps = options.metrics.counter({
      name: 'spooled_loop_steps_total',
      help: 'Steps of background loops by outcome.',
      labelNames: ['loop', 'outcome'],
    });
    this.#seconds = options.metrics.histogram({
      name: 'spooled_loop_step_duration_seconds',
      help: 'Duration of one step of a background loop.',
      labelNames: ['loop'],
    });
  }

  start(): void {
    if (this.#abort !== undefined) return;
    const abort = new AbortController();
    this.#abort = abort;
    const previous = this.#running;
    this.#running = previous.then(() => this.#run(abort.signal));
  }

  async stop(): Promise<void> {
    this.#abort?.abort();
    this.#abort = undefined;
    this.#wake?.();
    await this.#running;
  }

  /** Takes the next step now instead of when it is due. */
  wake(): void {
    this.#isWakePending = true;
    this.#wake?.();
  }

  /** Tells that the step under way did something to so many things: it is worth a line then. */
  did(count: number): void {
    this.#done += count;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#isWakePending = false;
      const delayMs = await this.#step(signal);
      if (signal.aborted) return;
      if (!this.#isWakePending) await this.#sleep(delayMs);
    }
  }

  async #step(signal: AbortSignal): Promise<number> {
    const { name, logger, step, errorDelayMs = 1000 } = this.#options;
    const stopTimer = this.#seconds.startTimer({ loop: name });
    this.#done = 0;
    try {
      const delayMs = await step(signal);
      this.#steps.inc({ loop: name, outcome: 'ok' });
      if (this.#isFailing) logger.info({ loop: name }, 'loop recovered');
      this.#isFailing = false;
      return delayMs;
    } catch (error) {
      this.#steps.inc({ loop: name, outcome: 'failed' });
      // One line when trouble begins: a dependency that is away for an hour must not fill the log.
      if (!this.#isFailing && !signal.aborted)
        logger.warn({ loop: name, err: error }, 'loop step failed');
      this.#isFailing = true;
      return errorDelayMs;
    } finally {
      const seconds = stopTimer();
      if (this.#done > 0) {
        const duration_ms = Math.round(seconds * 1000);
        logger.debug({ loop: name, count: this.#done, duration_ms }, 'loop step');
      }
    }
  }

  async #sleep(delayMs: number): Promise<void> {
    const { jitterRatio = 0.1 } = this.#options;
    const jittered = delayMs * (1 + jitterRatio * (Math.random() - 0.5));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, jittered);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
