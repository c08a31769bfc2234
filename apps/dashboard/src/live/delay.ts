/** Clocks that differ by more than this are not set by the same time service: only differences can be told then. */
const SAME_CLOCK_MS = 1000;

/** How long events take from the server to this page, by two clocks of which neither is known to be right. */
export class Delay {
  #smallest = Infinity;
  #sum = 0;
  #count = 0;
  #last: number | undefined;

  /** @param ms now, here, minus the event's time, there. */
  note(ms: number): void {
    if (!Number.isFinite(ms)) return;
    this.#smallest = Math.min(this.#smallest, ms);
    this.#sum += ms;
    this.#count += 1;
  }

  /** The mean since the last call, in milliseconds; what was said last when nothing came since. */
  take(): number | undefined {
    if (this.#count === 0) return this.#last;
    const mean = this.#sum / this.#count;
    const skew =
      Math.abs(this.#smallest) > SAME_CLOCK_MS ? this.#smallest : Math.min(0, this.#smallest);
    this.#sum = 0;
    this.#count = 0;
    this.#last = Math.max(0, Math.round(mean - skew));
    return this.#last;
  }
}
