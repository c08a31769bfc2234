import type { Watched } from '@spooled/access';
import {
  AppError,
  webSocketCommand,
  type ControlEvent,
  type Principal,
  type WebSocketCommand,
} from '@spooled/contracts';
import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { mayAskFor } from '../fanout/admission.js';
import { toEventFilter, type EventFilter } from '../fanout/event-filter.js';
import { FilterSet } from '../fanout/filter-set.js';
import { Message } from '../fanout/message.js';
import type { OrganizationHub } from '../fanout/organization-hub.js';
import type { CloseReason, Outlet } from '../fanout/outlet.js';
import type { Pulse } from '../fanout/pulse.js';
import { Reader } from '../fanout/reader.js';
import { Selector } from '../fanout/selector.js';
import type { Stream } from '../fanout/streams.js';
import { PING_FRAME, textFrame, wsTransport } from './ws-transport.js';

const MAX_COMMANDS_PER_SECOND = 100;
/** Commands kept while a new credential is looked up. */
const MAX_WAITING_COMMANDS = 100;

/** Source: RFC 6455 §7.4 and the IANA registry; 4401 is ours. */
const CLOSE: Readonly<Record<CloseReason, readonly [code: number, text: string]>> = {
  slow: [1013, 'slow consumer'],
  revoked: [4401, 'credential revoked or expired'],
  draining: [1001, 'server shutting down'],
  aged: [1001, 'open for long; reconnect'],
  finished: [1000, ''],
  internal: [1011, 'internal error'],
};
const FLOOD = [1008, 'too many commands'] as const;

export interface WsConnectionOptions {
  readonly socket: WebSocket;
  /** The TCP or TLS socket under the WebSocket. */
  readonly raw: Duplex;
  readonly hub: OrganizationHub;
  readonly principal: Principal;
  readonly urlFilter: EventFilter;
  readonly urlBound: EventFilter;
  readonly after: number;
  readonly isCursorExpired: boolean;
  readonly pulse: Pulse;
  readonly silentPeerMs: number;
  readonly closeGraceMs: number;
  /** @throws AppError */
  readonly authenticate: (token: string) => Promise<Principal>;
  /** The credential was replaced. */
  readonly onPrincipal: () => void;
}

/** One WebSocket: commands in, events out. */
export class WsConnection implements Stream, Outlet, Watched {
  readonly transport = wsTransport;
  readonly socket: Duplex;
  readonly #options: WsConnectionOptions;
  readonly #filters: FilterSet;
  readonly #reader: Reader;
  #principal: Principal;
  #heardAt = Date.now();
  #second = 0;
  #commandsThisSecond = 0;
  /** Commands wait while a credential is looked up: their answers depend on it. */
  #isAuthenticating = false;
  readonly #commands: RawData[] = [];

  constructor(options: WsConnectionOptions) {
    this.#options = options;
    this.socket = options.raw;
    this.#principal = options.principal;
    this.#filters = new FilterSet(options.urlFilter);
    const { hub, after, isCursorExpired } = options;
    const selector = this.#select();
    this.#reader = new Reader({ hub, outlet: this, selector, after, isCursorExpired });
  }

  get principal(): Principal {
    return this.#principal;
  }

  get isOpen(): boolean {
    const { socket } = this.#options;
    return socket.readyState === socket.OPEN;
  }

  /** Says hello and begins to deliver. */
  start(): void {
    const { socket, pulse } = this.#options;
    socket.on('message', (data, isBinary) => this.#hear(data, isBinary));
    const noteAlive = (): void => this.#noteAlive();
    socket.on('pong', noteAlive);
    socket.on('ping', noteAlive);
    // The library closes with the fitting code by itself.
    socket.on('error', nothingToAdd);
    this.#send(pulse.ping().json);
    this.#reader.start();
  }

  /** The socket is gone. */
  stop(): void {
    this.#reader.close();
  }

  /** Every ping interval: proves that we are alive, and drops a peer that is not. */
  beat(): void {
    if (Date.now() - this.#heardAt >= this.#options.silentPeerMs) return this.destroy();
    if (!this.isOpen || this.socket.writableNeedDrain) return;
    const { pulse } = this.#options;
    const health = pulse.health();
    const isHealthWanted = this.#reader.selector.matches(health.event);
    const messages = isHealthWanted ? [pulse.ping(), health] : [pulse.ping()];
    const frames = messages.map(
      (message) => (message.frames[wsTransport.format] ??= wsTransport.frame(message)),
    );
    this.socket.write(wsTransport.join([...frames, PING_FRAME]));
  }

  applyAccess(principal: Principal): void {
    this.#principal = principal;
    this.#reader.select(this.#select());
  }

  revoke(): void {
    this.close('revoked');
  }

  close(reason: CloseReason): void {
    this.#closeWith(CLOSE[reason]);
  }

  destroy(): void {
    this.#options.socket.terminate();
  }

  #closeWith([code, text]: readonly [code: number, text: string]): void {
    const { socket, closeGraceMs } = this.#options;
    this.#reader.close();
    if (!this.isOpen) return;
    socket.close(code, text);
    // A peer that does not read will never answer the closing handshake.
    const timer = setTimeout(() => socket.terminate(), closeGraceMs).unref();
    socket.once('close', () => clearTimeout(timer));
  }

  #noteAlive(): void {
    this.#heardAt = Date.now();
  }

  #hear(data: RawData, isBinary: boolean): void {
    this.#noteAlive();
    if (!this.isOpen) return;
    if (this.#isFlood()) return this.#closeWith(FLOOD);
    if (isBinary) return;
    this.#commands.push(data);
    if (this.#commands.length > MAX_WAITING_COMMANDS) return this.#closeWith(FLOOD);
    this.#work();
  }

  #work(): void {
    while (!this.#isAuthenticating && this.isOpen) {
      const next = this.#commands.shift();
      if (next === undefined) return;
      this.#obey(next);
    }
  }

  #isFlood(): boolean {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#commandsThisSecond = 0;
    }
    this.#commandsThisSecond += 1;
    return this.#commandsThisSecond > MAX_COMMANDS_PER_SECOND;
  }

  #obey(data: RawData): void {
    const written = parse(data);
    const command = webSocketCommand.safeParse(written);
    if (!command.success) {
      const [problem] = command.error.issues;
      const text = [...(problem?.path ?? []), problem?.message ?? 'is not a command'].join(' ');
      this.#refuse(requestIdOf(written), 'INVALID_COMMAND', `Not a known command: ${text}.`);
      return;
    }
    this.#execute(command.data);
  }

  #execute(command: WebSocketCommand): void {
    switch (command.name) {
      case 'ping':
        return this.#send(this.#options.pulse.ping().json);
      case 'subscribe':
        return this.#subscribe(command);
      case 'unsubscribe':
        this.#filters.remove(toEventFilter(command.filter));
        this.#reader.select(this.#select());
        return this.#acknowledge('unsubscribed', command.requestId);
      case 'authenticate':
        void this.#authenticate(command.token, command.requestId);
    }
  }

  #subscribe({
    filter: asked,
    lastEventId,
    requestId,
  }: Extract<WebSocketCommand, { name: 'subscribe' }>): void {
    const filter = toEventFilter(asked);
    if (!mayAskFor(this.#principal, filter.queue, filter.jobId)) {
      return this.#refuse(requestId, 'ACCESS_DENIED', 'The queue or job is out of scope.');
    }
    if (this.#filters.isFull) {
      return this.#refuse(requestId, 'INVALID_COMMAND', 'There are too many subscriptions.');
    }
    this.#filters.add(filter);
    const { hub } = this.#options;
    const after = lastEventId === null ? undefined : hub.sequenceOf(lastEventId);
    const isReplayable =
      after === undefined || (after !== null && this.#reader.replay(after, filter));
    this.#reader.select(this.#select());
    this.#acknowledge('subscribed', requestId);
    if (!isReplayable) this.#reader.announceGap();
  }

  /** Replaces the credential; until the new one is known to be good, the old one stays. */
  async #authenticate(token: string, requestId: string | null): Promise<void> {
    this.#isAuthenticating = true;
    try {
      const principal = await this.#options.authenticate(token);
      if (!this.isOpen) return;
      this.applyAccess(principal);
      this.#options.onPrincipal();
      this.#acknowledge('authenticated', requestId);
    } catch (error) {
      const { code, message } = error instanceof AppError ? error : new AppError('INTERNAL_ERROR');
      this.#refuse(requestId, code, message);
    } finally {
      this.#isAuthenticating = false;
    }
    this.#work();
  }

  /** The cursor says where the subscription begins: state read after it, plus the events after it, misses nothing. */
  #acknowledge(type: string, requestId: string | null): void {
    if (requestId === null) return;
    const cursor = this.#options.hub.cursor(this.#reader.position);
    this.#send(JSON.stringify({ type, request_id: requestId, cursor }));
  }

  #refuse(requestId: string | null, code: string, message: string): void {
    if (requestId !== null) {
      this.#send(JSON.stringify({ type: 'error', request_id: requestId, error: message, code }));
      return;
    }
    const data = { message, timestamp: new Date().toISOString(), code };
    this.#send(new Message({ type: 'Error', data } satisfies ControlEvent).json);
  }

  #send(json: string): void {
    this.#reader.tell(textFrame(json));
  }

  #select(): Selector {
    return new Selector(
      { access: this.#principal, url: this.#options.urlBound },
      this.#filters.active(),
    );
  }
}

function nothingToAdd(): void {}

function parse(data: RawData): unknown {
  try {
    return JSON.parse((data as Buffer).toString());
  } catch {
    return undefined;
  }
}

function requestIdOf(written: unknown): string | null {
  const { request_id: id } = (written ?? {}) as { request_id?: unknown };
  return typeof id === 'string' && id.length <= 128 ? id : null;
}
