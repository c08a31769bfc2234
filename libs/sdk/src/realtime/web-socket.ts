import { errorOfCode, NetworkError, SpooledError } from '../errors.js';
import { streamQuery, type ConnectionRequest, type Frame, type SendCommand } from './connection.js';
import type { Envelope, EventFilter } from './events.js';

/** As much of the browser's WebSocket as is used here; `ws` has it too. */
export interface WebSocketLike {
  onopen: unknown;
  onmessage: unknown;
  onclose: unknown;
  onerror: unknown;
  send(text: string): void;
  close(): void;
}
export type WebSocketClass = new (url: string) => WebSocketLike;

interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** What answers a command, or an event. */
interface Message extends Envelope {
  readonly request_id?: string;
  readonly cursor?: string;
  readonly code?: string;
  readonly error?: string;
}

/** Frames that wait for the application. With more the connection is given up, and resumed when they are handled. */
const MAX_WAITING = 1000;
const HELLO = 'hello';

/** Closings that another connection would only repeat. */
const finalCloses: Readonly<Record<number, string>> = {
  1008: 'too many commands in a second',
  1009: 'a command was too large',
  4401: 'the credential was revoked or has expired',
};

/** The WebSocket of this platform; without one, that of the package `ws`; undefined when there is neither. */
export async function findWebSocket(): Promise<WebSocketClass | undefined> {
  const { WebSocket: own } = globalThis as { WebSocket?: WebSocketClass };
  if (own !== undefined) return own;
  try {
    const { WebSocket: fromPackage } = (await import('ws')) as { WebSocket?: WebSocketClass };
    return fromPackage;
  } catch {
    return undefined;
  }
}

export async function* webSocketEvents(
  WebSocket: WebSocketClass,
  request: ConnectionRequest,
): AsyncGenerator<Frame, void> {
  const { http, filters, signal, isChangeable } = request;
  // Fixed filters are best known to the server before it replays; those that change are set by commands.
  const [filter] = filters.length === 1 && !isChangeable ? filters : [];
  const query = { ...streamQuery(request), ...filter, ticket: await ticketFor(request, filter) };
  const socket = new WebSocket(http.url('/api/v1/ws', query).replace(/^http/, 'ws'));
  const inbox = new Inbox();
  const stop = () => inbox.end(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });

  /** Subscriptions that were not answered yet, by their number. */
  const asked = new Map<string, EventFilter>();
  let commands = 0;
  const send = (command: object) => socket.send(JSON.stringify(command));
  const command: SendCommand = (cmd, asking) => {
    commands += 1;
    const request_id = `filter-${commands}`;
    if (cmd === 'Subscribe') asked.set(request_id, asking);
    const { queue, jobId: job_id, workerId: worker_id } = asking;
    send({ cmd, queue, job_id, worker_id, request_id });
  };

  socket.onopen = () => {
    if (filter === undefined && filters.length > 0) {
      // From everything to some filters, so that at no moment less than these passes.
      send({ cmd: 'Subscribe' });
      for (const each of filters) command('Subscribe', each);
      send({ cmd: 'Unsubscribe' });
    }
    // Takes away what is not there: answered, without effect, with the cursor of this moment.
    send({ cmd: 'Unsubscribe', job_id: '-', request_id: HELLO });
    request.onCommands(command);
  };
  socket.onmessage = ({ data }: { data: unknown }) => {
    const message = http.parse(String(data)) as Message;
    const subscribed = asked.get(message.request_id ?? '');
    if (message.request_id === undefined) {
      const isPing = message.type === 'Ping';
      inbox.add(isPing ? { kind: 'alive' } : { kind: 'event', event: message });
    } else if (message.request_id === HELLO) {
      inbox.add({ kind: 'open', cursor: message.cursor });
    } else if (subscribed !== undefined) {
      asked.delete(message.request_id);
      const { type, code = 'UNKNOWN_ERROR', error = 'refused' } = message;
      request.onSettled(subscribed, type === 'error' ? errorOfCode(code, error) : undefined);
    }
    if (inbox.size > MAX_WAITING) inbox.end();
  };
  socket.onclose = ({ code, reason }: Closing) => {
    const final = finalCloses[code];
    if (final === undefined) inbox.end(new NetworkError(`the connection ended (${code})`));
    else if (code === 4401) inbox.end(errorOfCode('UNAUTHORIZED', reason || final));
    else inbox.end(new SpooledError(reason || final, { code: 'UNKNOWN_ERROR' }));
  };
  // A close always follows.
  socket.onerror = () => undefined;

  try {
    yield* inbox.frames();
  } finally {
    signal.removeEventListener('abort', stop);
    socket.close();
  }
}

/** Asking for a ticket also finds out, with a proper error, whether the credential may follow this at all. */
async function ticketFor(
  { http, getTicket, signal }: ConnectionRequest,
  { queue, jobId }: EventFilter = {},
): Promise<string> {
  if (getTicket !== undefined) return getTicket();
  const body = { queue, jobId };
  const { ticket } = await http.call('auth', 'createTicket', { body }, { signal });
  return ticket;
}

/** What arrived and was not taken yet; the end comes after it. */
class Inbox {
  private readonly waiting: Frame[] = [];
  private ended: { readonly error: Error | undefined } | undefined;
  private wake = () => {};

  get size(): number {
    return this.waiting.length;
  }

  add(frame: Frame): void {
    if (this.ended !== undefined) return;
    this.waiting.push(frame);
    this.wake();
  }

  /** The first end counts. */
  end(error?: Error): void {
    this.ended ??= { error };
    this.wake();
  }

  async *frames(): AsyncGenerator<Frame, void> {
    for (;;) {
      const frame = this.waiting.shift();
      if (frame !== undefined) {
        yield frame;
      } else if (this.ended === undefined) {
        await new Promise<void>((resolve) => (this.wake = resolve));
      } else {
        if (this.ended.error !== undefined) throw this.ended.error;
        return;
      }
    }
  }
}
