import type { Message } from './message.js';

/** Characters of JSON kept per organization; frames add about as much per transport in use. */
const MAX_CHARS = 2 * 1024 * 1024;

/** The messages made last, by sequence. */
export class RecentMessages {
  readonly #messages = new Map<number, Message>();
  #chars = 0;

  get(seq: number): Message | undefined {
    return this.#messages.get(seq);
  }

  add(seq: number, message: Message): void {
    this.#messages.set(seq, message);
    this.#chars += message.json.length;
    for (const [oldest, { json }] of this.#messages) {
      if (this.#chars <= MAX_CHARS) return;
      this.#messages.delete(oldest);
      this.#chars -= json.length;
    }
  }

  clear(): void {
    this.#messages.clear();
    this.#chars = 0;
  }
}
