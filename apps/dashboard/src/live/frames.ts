/** Frames do not come while the tab is hidden; what waits is then handled once a second. */
const HIDDEN_INTERVAL_MS = 1000;

/** Gathers what is added between two frames, and hands it out at the next one. */
export class FrameBatch<T> {
  #waiting: T[] = [];
  #isAsked = false;

  constructor(private readonly handle: (items: readonly T[]) => void) {}

  add(item: T): void {
    this.#waiting.push(item);
    if (this.#isAsked) return;
    this.#isAsked = true;
    const timer = setTimeout(() => this.#flush(frame, timer), HIDDEN_INTERVAL_MS);
    const frame = requestAnimationFrame(() => this.#flush(frame, timer));
  }

  #flush(frame: number, timer: ReturnType<typeof setTimeout>): void {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    const items = this.#waiting;
    this.#waiting = [];
    this.#isAsked = false;
    this.handle(items);
  }
}
