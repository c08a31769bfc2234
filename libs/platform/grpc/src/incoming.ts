import type { ServerDuplexStream } from '@grpc/grpc-js';

/** Messages read ahead of the handler. */
const READ_AHEAD = 16;

/** The messages of a bidi stream; ends at the client's half-close or when the call is over. */
export class Incoming implements AsyncIterable<unknown> {
  readonly #raw: ServerDuplexStream<unknown, unknown>;
  readonly #check: (message: unknown) => unknown;
  readonly #queue: unknown[] = [];
  #isDone = false;
  #wake: (() => void) | undefined;

  /** `check` judges each message; what it throws, the iteration throws. */
  constructor(
    raw: ServerDuplexStream<unknown, unknown>,
    signal: AbortSignal,
    check: (message: unknown) => unknown,
  ) {
    this.#raw = raw;
    this.#check = check;
    raw.on('data', (message: unknown) => {
      this.#queue.push(message);
      if (this.#queue.length >= READ_AHEAD) raw.pause();
      this.#wake?.();
    });
    raw.once('end', () => this.#done());
    if (signal.aborted) this.#done();
    else signal.addEventListener('abort', () => this.#done(), { once: true });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void> {
    for (;;) {
      const message = this.#queue.shift();
      if (message !== undefined) {
        if (this.#queue.length < READ_AHEAD && this.#raw.isPaused()) this.#raw.resume();
        yield this.#check(message);
      } else if (this.#isDone) {
        return;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }

  #done(): void {
    this.#isDone = true;
    this.#wake?.();
  }
}
