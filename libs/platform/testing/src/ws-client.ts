import { WebSocket } from 'ws';

import { onCleanUp } from './clean-up.js';
import { eventually } from './eventually.js';

export interface WsClientOptions {
  headers?: Readonly<Record<string, string>>;
}

/** A WebSocket of a test: what arrived is kept, parsed when it is JSON. */
export class WsClient {
  /** Every message so far: the parsed JSON, else the text. */
  readonly messages: unknown[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;

  /** Connects. @throws Error whose message carries the status and body when the server refuses the upgrade. */
  static open(url: string, options: WsClientOptions = {}): Promise<WsClient> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { headers: options.headers, perMessageDeflate: false });
      const client = new WsClient(socket);
      socket.once('open', () => resolve(client));
      socket.once('error', reject);
      socket.once('unexpected-response', (_request, response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => reject(new Error(`HTTP ${response.statusCode}: ${body}`)));
      });
    });
  }

  private constructor(private readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => this.messages.push(parsed(data.toString())));
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason: Buffer) => resolve({ code, reason: reason.toString() }));
    });
    onCleanUp(() => socket.terminate());
  }

  /** An object is sent as JSON, a string as it is. */
  send(message: object | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  ping(): void {
    this.socket.ping();
  }

  /** Stops reading from the socket, as a slow consumer does. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** The first message that matches, received or yet to come. */
  waitFor<T = unknown>(matches: (message: T) => boolean, timeoutMs?: number): Promise<T> {
    return eventually(
      () => {
        const index = this.messages.findIndex((message) => matches(message as T));
        return index === -1 ? this.missing() : (this.messages[index] as T);
      },
      { timeoutMs },
    );
  }

  /** Waits until at least `count` messages are there. */
  waitForCount(count: number, timeoutMs?: number): Promise<readonly unknown[]> {
    return eventually(() => (this.messages.length >= count ? this.messages : this.missing()), {
      timeoutMs,
    });
  }

  close(code = 1000): Promise<{ code: number; reason: string }> {
    this.socket.close(code);
    return this.closed;
  }

  /** Cuts the connection without a closing handshake. */
  terminate(): void {
    this.socket.terminate();
  }

  private missing(): never {
    const last = JSON.stringify(this.messages.slice(-20));
    throw new Error(`only these ${this.messages.length} messages came: ${last}`);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
