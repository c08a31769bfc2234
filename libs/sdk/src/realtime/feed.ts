import { backoffMs, delay, type BackoffOptions } from '../backoff.js';
import { Emitter } from '../emitter.js';
import { AuthenticationError, NetworkError, SpooledError } from '../errors.js';
import type { Http } from '../http.js';
import type { Frame, SendCommand, Transport } from './connection.js';
import {
  isSameFilter,
  passes,
  toEvent,
  type Envelope,
  type EventFilter,
  type EventSelector,
  type SpooledEvent,
} from './events.js';
import { serverSentEvents } from './sse.js';
import { findWebSocket, webSocketEvents, type WebSocketClass } from './web-socket.js';

/**
 * `connecting`: for the first time. `live`: what happens from now on arrives. `reconnecting`: cut, and trying again.
 * `degraded`: connected, but the server says that its database or bus is away. `offline`: has failed five times in a
 * row, and is trying on. `auth_failed`: over, the credential is not good. `stopped`: over, by the application or because
 * the server does not take what was asked for.
 */
export type ConnectionState =
  'connecting' | 'live' | 'reconnecting' | 'degraded' | 'offline' | 'auth_failed' | 'stopped';

export type TransportName = 'websocket' | 'sse';

export interface FeedOptions {
  /** Default: everything but `job.progress` and `job.log`. */
  readonly events?: readonly EventSelector[];
  /** The `id` of an event: go on after it. */
  readonly since?: string;
  /** Ends the iteration; that is no error. */
  readonly signal?: AbortSignal;
  /** Default: WebSocket where there is one, else server-sent events. */
  readonly transport?: TransportName;
  /** Default: that of the platform, else that of the package `ws`. */
  readonly WebSocket?: WebSocketClass;
  readonly reconnect?: BackoffOptions;
  /** A connection that says nothing for so long is dead. Default 75000; servers speak every 15 or 30 seconds. */
  readonly silenceTimeoutMs?: number;
}

export interface FilterRefusal {
  readonly filter: EventFilter;
  readonly error: SpooledError;
}

const OFFLINE_AFTER_FAILURES = 5;

const RESTART = Symbol('restart');

/**
 * One subscription over as many connections as it takes: each goes on where the one before was cut. Iterating it twice
 * makes two connections that share the cursor, so iterate once.
 */
export class EventFeed implements AsyncIterable<SpooledEvent> {
  private readonly emitter = new Emitter<{ state: ConnectionState; refusal: FilterRefusal }>();
  /** Filters that were added and did not come to hold yet. */
  private readonly added = new Map<EventFilter, PromiseWithResolvers<void>>();
  private readonly filters: EventFilter[];
  private currentState: ConnectionState = 'connecting';
  private currentCursor: string | undefined;
  /** Where the log stood when the present connection was opened. */
  private openedAt: string | undefined;
  private send: SendCommand | undefined;
  private restart = () => {};

  constructor(
    private readonly http: Http,
    private readonly options: FeedOptions,
    private readonly getTicket: (() => Promise<string>) | undefined,
    filters: readonly EventFilter[],
    /** Whether `add` and `remove` are going to be used. */
    private readonly isChangeable = false,
  ) {
    this.filters = [...filters];
    this.currentCursor = options.since;
  }

  get state(): ConnectionState {
    return this.currentState;
  }

  /** The `id` of the newest event that was handed out, or where the log stood when there was none yet. */
  get cursor(): string | undefined {
    return this.currentCursor;
  }

  /** Returns what takes the handler off again. */
  onStateChange(handler: (state: ConnectionState) => void): () => void {
    return this.emitter.on('state', handler);
  }

  /** @throws SpooledError when the server refuses for good. */
  async *[Symbol.asyncIterator](): AsyncGenerator<SpooledEvent, void> {
    for await (const frame of this.frames()) {
      const event = frame.kind === 'event' ? this.eventOf(frame.event) : undefined;
      if (event !== undefined) yield event;
    }
  }

  /** A filter was refused that was there before its connection. It is asked for again with the next one. */
  onRefusal(handler: (refusal: FilterRefusal) => void): () => void {
    return this.emitter.on('refusal', handler);
  }

  /**
   * A filter more; resolves when it holds, or when there is nothing to hold it any more. On server-sent events that is another
   * connection, which goes on where this one is. @throws SpooledError when it is refused; the others go on.
   */
  add(filter: EventFilter): Promise<void> {
    const added = promiseWithResolvers();
    this.added.set(filter, added);
    this.filters.push(filter);
    if (this.send) this.send('Subscribe', filter);
    else this.restart();
    return added.promise;
  }

  remove(filter: EventFilter): void {
    const index = this.filters.findIndex((each) => isSameFilter(each, filter));
    const [removed] = index === -1 ? [] : this.filters.splice(index, 1);
    if (removed === undefined) return;
    this.settle(removed);
    if (this.send) this.send('Unsubscribe', removed);
    else this.restart();
  }

  private settle(filter: EventFilter, error?: SpooledError): void {
    const added = this.added.get(filter);
    this.added.delete(filter);
    if (error === undefined) {
      added?.resolve();
    } else if (added === undefined) {
      this.emitter.emit('refusal', { filter, error });
    } else {
      this.filters.splice(this.filters.indexOf(filter), 1);
      added.reject(error);
    }
  }

  /** Everything that connections say, one after the other, until the signal aborts. */
  async *frames(): AsyncGenerator<Frame, void> {
    const { signal, reconnect = {} } = this.options;
    try {
      const transport = await this.transport();
      this.enter('connecting');
      for (let failures = 0; ;) {
        const cut: { cause?: unknown } = {};
        for await (const frame of this.connection(transport, cut)) {
          if (frame.kind === 'open') failures = 0;
          yield frame;
        }
        if (signal?.aborted) return;
        if (cut.cause === RESTART) continue;
        const { retryAfterMs = 0 } = temporary(cut.cause);
        this.enter(failures < OFFLINE_AFTER_FAILURES ? 'reconnecting' : 'offline');
        await delay(Math.max(retryAfterMs, backoffMs(failures++, reconnect)), signal);
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (error instanceof AuthenticationError) this.enter('auth_failed');
      throw error;
    } finally {
      if (this.state !== 'auth_failed') this.enter('stopped');
      for (const filter of this.added.keys()) this.settle(filter);
    }
  }

  /** One connection; how it ended is left in `cut`. */
  private async *connection(
    transport: Transport,
    cut: { cause?: unknown },
  ): AsyncGenerator<Frame, void> {
    const { signal, events = [], silenceTimeoutMs = 75_000 } = this.options;
    const end = new AbortController();
    const close = () => end.abort(signal?.reason);
    signal?.addEventListener('abort', close, { once: true });
    this.restart = () => end.abort(RESTART);
    this.openedAt = undefined;
    const frames = transport({
      http: this.http,
      filters: [...this.filters],
      isChangeable: this.isChangeable,
      events,
      cursor: this.currentCursor,
      getTicket: this.getTicket,
      signal: end.signal,
      onCommands: (send) => (this.send = send),
      onSettled: (filter, refusal) => this.settle(filter, refusal),
    });
    try {
      for (;;) {
        const silence = setTimeout(
          () => end.abort(new NetworkError(`silent for ${silenceTimeoutMs} ms`)),
          silenceTimeoutMs,
        );
        const { done, value } = await frames.next().finally(() => clearTimeout(silence));
        if (done) return;
        if (value.kind === 'open') this.opened(value.cursor);
        yield value;
      }
    } catch (error) {
      cut.cause = error;
    } finally {
      signal?.removeEventListener('abort', close);
      this.send = undefined;
      this.restart = () => {};
      end.abort();
      await frames.return();
    }
  }

  private opened(cursor: string | undefined): void {
    this.openedAt = cursor;
    this.currentCursor ??= cursor;
    this.enter('live');
  }

  private eventOf(envelope: Envelope): SpooledEvent | undefined {
    const { type, id, data } = envelope;
    if (type === 'Error' && data['code'] === 'CURSOR_EXPIRED') return this.gap(envelope);
    if (type === 'SystemHealth' && (this.state === 'live' || this.state === 'degraded')) {
      this.enter(data['database'] && data['redis'] ? 'live' : 'degraded');
    }
    // Also of an event that nobody asked for: what is before it has arrived.
    if (id !== undefined) this.currentCursor = id;
    return passes(this.filters, envelope) ? toEvent(envelope) : undefined;
  }

  private gap({ data }: Envelope): SpooledEvent {
    const lostCursor = this.currentCursor;
    this.currentCursor = this.openedAt;
    return {
      type: 'gap',
      id: undefined,
      timestamp: String(data['timestamp']),
      data: {
        message: String(data['message']),
        lostCursor,
        resumeFrom: data['resume_from'] as string | undefined,
      },
    };
  }

  private enter(state: ConnectionState): void {
    if (state === this.currentState) return;
    this.currentState = state;
    this.emitter.emit('state', state);
  }

  private async transport(): Promise<Transport> {
    const { transport, WebSocket = await findWebSocket() } = this.options;
    if (transport === 'sse' || (transport === undefined && WebSocket === undefined)) {
      return serverSentEvents;
    }
    if (WebSocket === undefined) {
      throw new SpooledError('there is no WebSocket here: install the package ws', {
        code: 'CONFIGURATION_ERROR',
      });
    }
    return (request) => webSocketEvents(WebSocket, request);
  }
}

/** Node 20 has no `Promise.withResolvers`. */
function promiseWithResolvers(): PromiseWithResolvers<void> {
  let settle: Pick<PromiseWithResolvers<void>, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...settle! };
}

/** What is worth another connection: an end without an error, or an error that may pass. @throws any other. */
function temporary(cause: unknown): { readonly retryAfterMs?: number | undefined } {
  if (cause === undefined) return {};
  if (cause instanceof SpooledError && cause.retryable) return cause;
  throw cause as Error;
}
