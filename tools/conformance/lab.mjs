/** What one promise works with: queues of its own, streams that are closed and keys that are deleted afterwards. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import { Skip } from './assert.mjs';
import { Refusal } from './refusal.mjs';
import { Rest } from './rest.mjs';
import { openGrpc } from './transports/grpc.mjs';
import { openSse } from './transports/sse.mjs';
import { openWebSocket } from './transports/web-socket.mjs';

const openers = { websocket: openWebSocket, sse: openSse, grpc: openGrpc };
export const transports = Object.keys(openers);
const BUSY = [429, 'RESOURCE_EXHAUSTED'];
const MAX_TRIES = 8;
const RETRY_MS = 1_000;
/** Absence is seen by waiting: time for what should not come. */
const QUIET_MS = 250;

export class Lab {
  #queues = [];
  #workers = [];
  #keys = [];
  #streams = [];

  constructor(target) {
    this.target = target;
    this.rest = new Rest(target.baseUrl, target.apiKey);
  }

  /** A name nobody else uses. */
  queue() {
    const name = `conformance-${randomBytes(6).toString('hex')}`;
    this.#queues.push(name);
    return name;
  }

  /** A stream whose first words have come. @throws Refusal */
  async open(transport, options = {}) {
    const stream = await this.connect(transport, options);
    if (transport === 'sse') {
      await stream.until(() => stream.comments.length > 0, 'the comment `: connected`');
    } else await stream.waitFor(() => true, 'the first message');
    return stream;
  }

  /** A stream, as soon as it is connected. @throws Refusal */
  async connect(transport, options = {}) {
    for (let tries = 1; ; tries++) {
      try {
        const given = { credential: this.target.apiKey, ...options };
        const stream = await openers[transport](this.target, given);
        this.#streams.push(stream);
        return stream;
      } catch (error) {
        const isBusy = error instanceof Refusal && BUSY.includes(error.status);
        if (!isBusy || options.isPatient === false || tries === MAX_TRIES) throw error;
        await delay(RETRY_MS);
      }
    }
  }

  /** A stream by a new ticket, and the ticket. One that met "too many requests" may be spent. */
  async openByTicket(transport, options, narrowing) {
    for (let tries = 1; ; tries++) {
      const ticket = await this.rest.ticket(narrowing);
      const byTicket = { ...options, authBy: 'ticket', credential: ticket, isPatient: false };
      try {
        return { stream: await this.open(transport, byTicket), ticket };
      } catch (error) {
        const isBusy = error instanceof Refusal && BUSY.includes(error.status);
        if (!isBusy || tries === MAX_TRIES) throw error;
        await delay(RETRY_MS);
      }
    }
  }

  /** How an attempt to open a stream is refused. @throws Error when it is not. */
  async refused(transport, options) {
    try {
      await this.connect(transport, options);
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
    throw new Error('the stream was opened instead of refused');
  }

  async worker(queue) {
    const id = await this.rest.registerWorker(queue);
    this.#workers.push(id);
    return id;
  }

  /** A new API key. @throws Skip when the given one may not make keys */
  async key(options = {}) {
    try {
      const body = { name: 'conformance', ...options };
      const key = await this.rest.call('POST', '/api-keys', body);
      this.#keys.push(key.id);
      return key;
    } catch (error) {
      if (error instanceof Refusal && [403, 404].includes(error.status)) {
        throw new Skip(`the given key may not create keys (${error.code ?? error.status})`);
      }
      throw error;
    }
  }

  async revoke(key) {
    await this.rest.call('DELETE', `/api-keys/${key.id}`);
    this.#keys = this.#keys.filter((id) => id !== key.id);
  }

  /** Time for what must not come. */
  quiet() {
    return delay(QUIET_MS);
  }

  async cleanUp() {
    for (const stream of this.#streams) stream.cut();
    for (const id of this.#workers) await this.#try('POST', `/workers/${id}/deregister`);
    for (const id of this.#keys) await this.#try('DELETE', `/api-keys/${id}`);
    for (const queue of this.#queues)
      await this.#try('DELETE', `/queues/${queue}?delete_jobs=true`);
  }

  /** What is left behind harms nobody. */
  #try(method, path) {
    return this.rest.call(method, path).catch(() => undefined);
  }
}
