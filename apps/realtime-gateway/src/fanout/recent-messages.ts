import type { Message } from './message.js';

/** Characters of JSON in each of the two halves, per organization; frames add about as much per transport in use. */
const MAX_CHARS = 1024 * 1024;

/** The messages made last, by sequence. When one half is full, the other is forgotten: nothing is removed one by one. */
export class RecentMessages {
  #young = new Map<number, Message>();
  #old = new Map<number, Message>();
  #chars = 0;

  get(seq: number): Message | undefined {
    return this.#young.get(seq) ?? this.#old.get(seq);
  }

  add(seq: number, message: Message): void {
    if (this.#chars > MAX_CHARS) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#chars = 0;
    }
    this.#young.set(seq, message);
    this.#chars += message.json.length;
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
    this.#chars = 0;
  }
}
