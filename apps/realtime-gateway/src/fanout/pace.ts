/** Does something soon after it was asked for, however often that is, and at most once per interval. */
export class Pace {
  #timer: NodeJS.Timeout | undefined;
  #nextAt = 0;
  #isAsked = false;
  #isRunning = false;
  #isStopped = false;

  constructor(
    private readonly intervalMs: number,
    /** Must not throw. */
    private readonly run: () => Promise<void> | void,
  ) {}

  ask(): void {
    this.#isAsked = true;
    if (this.#timer !== undefined || this.#isRunning || this.#isStopped) return;
    const waitMs = Math.max(0, this.#nextAt - performance.now());
    this.#timer = setTimeout(() => void this.#turn(), waitMs).unref();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #turn(): Promise<void> {
    this.#timer = undefined;
    this.#isAsked = false;
    this.#isRunning = true;
    await this.run();
    // From its end: what it says must not come sooner because it took less time than the last one.
    this.#nextAt = performance.now() + this.intervalMs;
    this.#isRunning = false;
    if (this.#isAsked) this.ask();
  }
}
