import type { Watched } from '@spooled/access';
import type { Principal } from '@spooled/contracts';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Seat } from '../fanout/admission.js';
import type { Message } from '../fanout/message.js';
import type { CloseReason, Outlet } from '../fanout/outlet.js';
import type { Pulse } from '../fanout/pulse.js';
import { Reader } from '../fanout/reader.js';
import type { Selector } from '../fanout/selector.js';
import { Silence } from '../fanout/silence.js';
import type { Stream } from '../fanout/streams.js';
import type { Transport } from '../fanout/transport.js';
import { sseBytes, sseTransport } from './sse-transport.js';

/** How long a client waits before it reconnects, in milliseconds. */
const RETRY_MS = 3000;

export interface SseStreamOptions {
  readonly response: ServerResponse;
  /** What the HTTP library set already: request id, CORS, rate limit. */
  readonly headers: Readonly<Record<string, number | string | readonly string[] | undefined>>;
  readonly seat: Seat;
  readonly principal: Principal;
  /** What the stream delivers to a caller with this access; null = the stream is out of reach, so it ends. */
  readonly selectorFor: (principal: Principal) => Selector | null;
  readonly isNamed: boolean;
  readonly pulse: Pulse;
  readonly closeGraceMs: number;
  /** Sees every stored event that was written. */
  readonly onSent?: (messages: readonly Message[]) => void;
}

/** One SSE response. */
export class SseStream implements Stream, Outlet, Watched {
  readonly transport: Transport;
  readonly socket: Socket;
  readonly #options: Omit<SseStreamOptions, 'headers'>;
  readonly #isChunked: boolean;
  readonly #reader: Reader;
  readonly #silence = new Silence();
  #principal: Principal;
  #closedBecause: CloseReason | undefined;

  /** Sends the head at once. */
  constructor({ headers, ...options }: SseStreamOptions) {
    const { response, seat, principal, selectorFor, isNamed, onSent } = options;
    this.#options = options;
    this.#principal = principal;
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      connection: 'keep-alive',
      'x-accel-buffering': 'no',
    } as Record<string, string>);
    response.flushHeaders();
    this.socket = response.socket as Socket;
    this.#isChunked = response.chunkedEncoding;
    this.transport = sseTransport(isNamed, this.#isChunked);
    const selector = selectorFor(principal) as Selector;
    this.#reader = new Reader({ ...seat, outlet: this, selector, onSent });
  }

  get principal(): Principal {
    return this.#principal;
  }

  get isOpen(): boolean {
    return this.#closedBecause === undefined && !this.socket.destroyed;
  }

  /** Why we ended it, if we did. */
  get closedBecause(): CloseReason | undefined {
    return this.#closedBecause;
  }

  /**
   * The subscription stands already: a client that sees the first comment misses nothing after its cursor. `EventSource`
   * takes it from the `id`, so that it is good even if no event comes before the stream breaks.
   */
  start(first: readonly Message[] = []): void {
    const cursor = this.#options.seat.hub.cursor(this.#reader.position);
    this.#comment(`: connected ${cursor}\nid: ${cursor}\nretry: ${RETRY_MS}\n\n`);
    for (const message of first) this.send(message);
    this.#reader.start();
  }

  /** Sends a control event to this stream alone. */
  send(message: Message): void {
    this.#reader.tell(this.transport.join([this.transport.frame(message)]));
  }

  stop(): void {
    this.#reader.close();
  }

  /** Some times per silence period: says `: ping` when nothing else was said. */
  checkSilence(): void {
    if (!this.#silence.isOver(this.socket.bytesWritten)) return;
    this.#comment(': ping\n\n');
    this.#silence.restart(this.socket.bytesWritten);
  }

  tellHealth(): void {
    const health = this.#options.pulse.health();
    if (this.#reader.selector.matches(health.event)) this.send(health);
  }

  applyAccess(principal: Principal): void {
    this.#principal = principal;
    const selector = this.#options.selectorFor(principal);
    if (selector === null) this.revoke();
    else this.#reader.select(selector);
  }

  revoke(): void {
    this.close('revoked');
  }

  close(reason: CloseReason): void {
    const { response, closeGraceMs } = this.#options;
    this.#reader.close();
    if (!this.isOpen) return;
    this.#closedBecause = reason;
    response.end();
    // A client that does not read never takes the end either.
    const timer = setTimeout(() => this.destroy(), closeGraceMs).unref();
    response.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.socket.destroy();
  }

  #comment(text: string): void {
    this.#reader.tell(sseBytes(text, this.#isChunked));
  }
}
