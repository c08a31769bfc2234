import type { Outgoing } from '@spooled/grpc';
import { Writable } from 'node:stream';
import { messageAt } from './grpc-transport.js';

/** Handed to the call before it has passed on what it got: as much as a client's window usually takes. */
const MAX_PENDING_BYTES = 64 * 1024;

/** The part of a call that takes encoded messages. */
export type MessageSink = Pick<Outgoing<never>, 'write' | 'pending' | 'drained'>;

/**
 * The socket of a reader whose client takes messages, not bytes. What the call cannot pass on, because the client's
 * window is full, stays here: so a slow client looks to the reader like a slow socket.
 */
export class MessageSocket extends Writable {
  readonly #sink: MessageSink;
  #messagesWritten = 0;
  /** Upper bound of what the call holds. */
  #pendingBytes = 0;

  constructor(sink: MessageSink) {
    super();
    this.#sink = sink;
  }

  /** Messages that were handed to the call. */
  get messagesWritten(): number {
    return this.#messagesWritten;
  }

  override _write(joined: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#pass(joined, 0, done);
  }

  #pass(joined: Buffer, from: number, done: () => void): void {
    let offset = from;
    while (offset < joined.length) {
      if (this.destroyed) return;
      if (this.#sink.pending === 0) this.#pendingBytes = 0;
      if (this.#pendingBytes >= MAX_PENDING_BYTES) {
        void this.#sink.drained().then(() => this.#pass(joined, offset, done));
        return;
      }
      const { message, next } = messageAt(joined, offset);
      this.#sink.write(message);
      this.#messagesWritten += 1;
      this.#pendingBytes += message.length;
      offset = next;
    }
    done();
  }
}
