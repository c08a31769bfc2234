import type { Message } from './message.js';
import type { Reader } from './reader.js';
import type { Selector } from './selector.js';
import { slice, type Transport } from './transport.js';

/** Live readers that get exactly the same bytes: one transport, one selector. */
export class Channel {
  readonly key: string;
  readonly transport: Transport;
  readonly selector: Selector;
  readonly readers = new Set<Reader>();

  constructor(key: string, transport: Transport, selector: Selector) {
    this.key = key;
    this.transport = transport;
    this.selector = selector;
  }

  /** Hands out those of the newest messages that the selector matches; `after` is the position before them. */
  deliver(messages: readonly Message[], after: number): { events: number; bytes: number } {
    const selected = messages.filter(({ event }) => this.selector.matches(event));
    if (selected.length === 0) return { events: 0, bytes: 0 };
    const slices = slice(this.transport, selected, after);
    const readers = this.readers.size;
    for (const reader of this.readers) reader.deliver(slices);
    const bytes = slices.reduce((sum, { bytes: { length } }) => sum + length, 0);
    return { events: readers * selected.length, bytes: readers * bytes };
  }
}
