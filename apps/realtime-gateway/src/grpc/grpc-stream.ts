import { AppError, type Principal } from '@spooled/contracts';
import type { Seat } from '../fanout/admission.js';
import type { CloseReason, Outlet } from '../fanout/outlet.js';
import type { Pulse } from '../fanout/pulse.js';
import { Reader } from '../fanout/reader.js';
import type { Message } from '../fanout/message.js';
import type { Selector } from '../fanout/selector.js';
import { Silence } from '../fanout/silence.js';
import type { Stream } from '../fanout/streams.js';
import type { Transport } from '../fanout/transport.js';
import { MessageSocket, type MessageSink } from './message-socket.js';

/** How the call fails. Lost credentials are the platform's to end. */
const ERRORS: Readonly<Partial<Record<CloseReason, () => AppError>>> = {
  slow: () =>
    new AppError(
      'RATE_LIMIT_EXCEEDED',
      'The reader is too slow; resume after the last event received.',
      { retryAfterSecs: 1 },
    ),
  draining: () =>
    new AppError('SERVICE_UNAVAILABLE', 'The server is stopping.', { retryAfterSecs: 1 }),
  aged: () =>
    new AppError('SERVICE_UNAVAILABLE', 'Open for long; resume after the last event received.', {
      retryAfterSecs: 1,
    }),
  internal: () => new AppError('INTERNAL_ERROR'),
};

export interface GrpcStreamOptions {
  readonly transport: Transport;
  readonly sink: MessageSink;
  readonly seat: Seat;
  readonly principal: Principal;
  /** What the stream delivers to a caller with this access. */
  readonly selectorFor: (principal: Principal) => Selector;
  readonly pulse: Pulse;
}

/** One `SubscribeEvents` call. */
export class GrpcStream implements Stream, Outlet {
  readonly transport: Transport;
  readonly socket: MessageSocket;
  readonly #options: GrpcStreamOptions;
  readonly #reader: Reader;
  readonly #silence = new Silence();
  readonly #over = Promise.withResolvers<void>();
  #closedBecause: CloseReason | undefined;

  constructor(options: GrpcStreamOptions) {
    const { transport, sink, seat, principal, selectorFor, pulse } = options;
    this.#options = options;
    this.transport = transport;
    this.socket = new MessageSocket(sink);
    this.#reader = new Reader({
      ...seat,
      outlet: this,
      selector: selectorFor(principal),
      // Confirms the subscription: whoever has it misses nothing afterwards.
      greeting: pulse.ping(),
    });
  }

  get isOpen(): boolean {
    return !this.socket.destroyed;
  }

  /** Why we ended it, if we did. */
  get closedBecause(): CloseReason | undefined {
    return this.#closedBecause;
  }

  /** Delivers until the call is over. @throws AppError that says why we ended it. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.destroy(), { once: true });
    if (signal.aborted) this.destroy();
    else this.#reader.start();
    this.#silence.restart(this.socket.messagesWritten);
    await this.#over.promise;
    const error = this.#closedBecause && ERRORS[this.#closedBecause];
    if (error !== undefined) throw error();
  }

  /** Some times per silence period: says `Ping` when no event was. */
  checkSilence(): void {
    if (!this.#silence.isOver(this.socket.messagesWritten)) return;
    this.#say(this.#options.pulse.ping());
    this.#silence.restart(this.socket.messagesWritten);
  }

  tellHealth(): void {
    const health = this.#options.pulse.health();
    if (!this.#reader.selector.matches(health.event)) return;
    this.#say(health);
    this.#silence.overlook(this.socket.messagesWritten);
  }

  applyAccess(principal: Principal): void {
    if (this.isOpen) this.#reader.select(this.#options.selectorFor(principal));
  }

  /** What the call did not take yet is dropped: the client resumes after what it has. */
  close(reason: CloseReason): void {
    if (!this.isOpen) return;
    this.#closedBecause = reason;
    this.destroy();
  }

  destroy(): void {
    this.#reader.close();
    this.socket.destroy();
    this.#over.resolve();
  }

  #say(message: Message): void {
    this.#reader.tell(this.transport.join([this.transport.frame(message)]));
  }
}
