import { onCleanUp } from './clean-up.js';
import { eventually } from './eventually.js';

export interface SseEvent {
  /** Of its own lines; `EventSource` shows the newest one that came before, too. */
  id?: string | undefined;
  /** `message` when the stream names none. */
  event: string;
  data: string;
}

export interface SseOptions {
  headers?: Readonly<Record<string, string>>;
}

export interface SseCollection {
  status: number;
  headers: Headers;
  /** Everything received so far. */
  events: readonly SseEvent[];
  /** The texts after the colon of comment lines (keepalives). */
  comments: readonly string[];
  /** The newest `id`, for Last-Event-ID. */
  lastEventId: string | undefined;
  /** The newest `retry:` in ms. */
  retryMs: number | undefined;
  /** The first event that matches, received or yet to come. */
  waitFor(matches: (event: SseEvent) => boolean, timeoutMs?: number): Promise<SseEvent>;
  /** Waits until at least `count` events are there. */
  waitForCount(count: number, timeoutMs?: number): Promise<readonly SseEvent[]>;
  /** Resolves when the server ended the stream or the connection broke. */
  ended: Promise<void>;
  close(): Promise<void>;
}

/** A small real EventSource: one connection, no reconnect. Resolves with the response's head; check `status`. */
export async function collectSse(
  url: string,
  { headers }: SseOptions = {},
): Promise<SseCollection> {
  const abort = new AbortController();
  const response = await fetch(url, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: abort.signal,
  });
  const events: SseEvent[] = [];
  const parser = new SseParser(events);
  const ended = drain(response, parser);
  const close = (): Promise<void> => {
    abort.abort();
    return ended;
  };
  onCleanUp(close);
  return {
    status: response.status,
    headers: response.headers,
    events,
    comments: parser.comments,
    get lastEventId() {
      return parser.lastEventId;
    },
    get retryMs() {
      return parser.retryMs;
    },
    waitFor: async (matches, timeoutMs) =>
      await eventually(() => events.find(matches) ?? missing(events), { timeoutMs }),
    waitForCount: (count, timeoutMs) =>
      eventually(() => (events.length >= count ? events : missing(events)), { timeoutMs }),
    ended,
    close,
  };
}

function missing(events: readonly SseEvent[]): never {
  throw new Error(`only these ${events.length} events came: ${JSON.stringify(events.slice(-20))}`);
}

async function drain(response: Response, parser: SseParser): Promise<void> {
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body ?? []) {
      parser.push(decoder.decode(chunk as Uint8Array, { stream: true }));
    }
  } catch {
    // Aborted by close(), or cut by the server: `ended` says so.
  }
}

/** Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
class SseParser {
  readonly comments: string[] = [];
  lastEventId: string | undefined;
  retryMs: number | undefined;
  private rest = '';
  private id: string | undefined;
  private event = '';
  private data: string[] = [];

  constructor(private readonly events: SseEvent[]) {}

  push(text: string): void {
    const lines = (this.rest + text).split(/\r\n|\n|\r/);
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.line(line);
  }

  private line(line: string): void {
    if (line === '') return this.dispatch();
    const colon = line.indexOf(':');
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === '') this.comments.push(value);
    else if (name === 'event') this.event = value;
    else if (name === 'data') this.data.push(value);
    else if (name === 'id') this.lastEventId = this.id = value;
    else if (name === 'retry') this.retryMs = Number(value);
  }

  private dispatch(): void {
    if (this.data.length > 0) {
      const { id } = this;
      this.events.push({ id, event: this.event || 'message', data: this.data.join('\n') });
    }
    this.id = undefined;
    this.event = '';
    this.data = [];
  }
}
