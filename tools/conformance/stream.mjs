import { setTimeout as delay } from 'node:timers/promises';

import { check, short } from './assert.mjs';
import { patient } from './patience.mjs';

export const CONTROL = new Set([
  'Ping',
  'Error',
  'SystemHealth',
  'QueueStats',
  'WorkerHeartbeat',
  'JobProgress',
  'JobLog',
]);
export const MAX_EVENT_BYTES = 30 * 1024;
const DEFAULT_MS = 8_000;

/**
 * What came over one connection, the same for every transport. `messages` are envelopes (`{ type, data, id? }`), and over
 * WebSocket acknowledgements too. `ended` resolves with what the transport says of the end: a close code, the name of a
 * gRPC status, `end` or `cut` for SSE.
 */
export class Stream {
  messages = [];
  /** Where the stream began, when the server says so. */
  cursor;
  end;
  #listeners = new Set();
  #closing = Promise.withResolvers();

  get ended() {
    return this.#closing.promise;
  }

  receive(message) {
    this.messages.push(message);
    this.changed();
  }

  finish(how) {
    if (this.end !== undefined) return;
    this.end = how;
    this.#closing.resolve(how);
    this.changed();
  }

  /** Drops the connection without a word. */
  cut() {
    throw new Error('each transport drops its own connection');
  }

  get stored() {
    return this.messages.filter(({ id }) => typeof id === 'string' && id !== '');
  }

  get lastId() {
    return this.stored.at(-1)?.id;
  }

  /** The first message that matches, received or yet to come. */
  waitFor(matches, what, timeoutMs = DEFAULT_MS) {
    return this.until(() => this.messages.find(matches), what, timeoutMs);
  }

  waitForType(type, timeoutMs) {
    return this.waitFor((message) => message.type === type, `a ${type}`, timeoutMs);
  }

  waitForEventOf(jobId, timeoutMs) {
    return this.waitFor(({ data }) => data?.job_id === jobId, `an event of ${jobId}`, timeoutMs);
  }

  waitForStored(count, timeoutMs) {
    return this.until(() => this.stored.length >= count, `${count} stored events`, timeoutMs);
  }

  async waitForEnd(timeoutMs = DEFAULT_MS) {
    await this.until(() => this.end !== undefined, 'the end of the stream', timeoutMs);
    return this.end;
  }

  /** Looks again after every message. @throws Error that says what came instead. */
  async until(look, what, usualMs = DEFAULT_MS) {
    const timeoutMs = patient(usualMs);
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = look();
      if (found) return found;
      const leftMs = deadline - performance.now();
      const came = this.messages.slice(-6);
      check(leftMs > 0, `${what} did not come within ${timeoutMs} ms; last came ${short(came)}`);
      check(
        this.end === undefined,
        `the stream ended (${this.end}) before ${what}; ${short(came)}`,
      );
      await this.#change(leftMs);
    }
  }

  async #change(timeoutMs) {
    const abort = new AbortController();
    const { promise, resolve } = Promise.withResolvers();
    this.#listeners.add(resolve);
    const timer = delay(timeoutMs, undefined, { signal: abort.signal }).catch(() => undefined);
    await Promise.race([promise, timer]);
    this.#listeners.delete(resolve);
    abort.abort();
  }

  /** Whoever waits looks again. */
  changed() {
    for (const listener of this.#listeners) listener();
  }
}

/** Stored events as they must be equal on every transport. */
export function facts(messages) {
  return messages.map(({ id, type, data }) => ({ id, type, data }));
}
