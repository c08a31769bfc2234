import { backoffMs, delay, type BackoffOptions } from './backoff.js';
import { snakeCase, toCamelCase, toSnakeCase } from './camel-case.js';
import {
  AuthenticationError,
  errorOf,
  NetworkError,
  SpooledError,
  TimeoutError,
  ValidationError,
} from './errors.js';
import { routes, type Answer, type Routes } from './routes.js';

/** What every call takes. */
export interface CallOptions {
  /** Aborting rejects the call with the signal's reason. */
  readonly signal?: AbortSignal;
  /** For each try. Default: as the client says. */
  readonly timeoutMs?: number;
}

export interface RetryOptions extends BackoffOptions {
  /** Repetitions after the first try. Default 3; 0 turns them off. */
  readonly maxRetries?: number;
}

/** Where the credential comes from. */
export interface Credential {
  token(): string | undefined | Promise<string | undefined>;
  /** After a 401: whether the call is worth one more try. */
  renew?(): Promise<boolean>;
}

export interface HttpOptions extends RetryOptions {
  readonly baseUrl: string;
  readonly credential: Credential;
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: typeof fetch;
  readonly parseJson: (text: string) => unknown;
}

export interface RequestParts {
  /** Path parameters by name. */
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: object;
  readonly body?: unknown;
  /** Instead of `body`: JSON that is sent as it is, because its bytes are signed. */
  readonly rawBody?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** The same request twice does what it does once, although its method does not promise it. */
  readonly isRepeatable?: boolean;
  /** Sent without a credential. */
  readonly isPublic?: boolean;
  /** Its failure is what the caller asks about, so it is not repeated. */
  readonly isProbe?: boolean;
}

type QueryValue = string | number | boolean | Date | null | undefined;

/** A server that asks to be left alone for longer than this is not waited for. */
const MAX_RETRY_AFTER_MS = 60_000;

/** Calls with a time limit, repeated where that is safe. */
export class Http {
  constructor(private readonly options: HttpOptions) {}

  /** One call of the list of routes. */
  async call<G extends keyof Routes, R extends keyof Routes[G] & string>(
    group: G,
    name: R,
    parts?: RequestParts,
    options?: CallOptions,
  ): Promise<Answer<G, R>> {
    const text = await this.text(group, name, parts, options);
    return (text === '' ? undefined : toCamelCase(this.parsed(text))) as Answer<G, R>;
  }

  /** The same, with the answer as it was written. */
  async text<G extends keyof Routes, R extends keyof Routes[G] & string>(
    group: G,
    name: R,
    parts: RequestParts = {},
    options: CallOptions = {},
  ): Promise<string> {
    const { params = {}, query, body, rawBody, headers = {} } = parts;
    const [method = '', template = ''] = String(routes[group][name]).split(' ');
    const path = template.replace(/:(\w+)/g, (_, key: string) => pathSegment(key, params[key]));
    const url = this.url(`${group === 'operations' ? '' : '/api/v1'}${path}`, query);
    const request: RequestInit = { method, headers: given(headers) };
    if (rawBody !== undefined) request.body = rawBody;
    else if (body !== undefined) request.body = JSON.stringify(toSnakeCase(body));
    const isSafe = parts.isRepeatable === true || method !== 'POST';
    const credential = parts.isPublic ? undefined : this.options.credential;
    const once = () => this.once(url, request, credential, options);
    return parts.isProbe ? once() : this.repeated(isSafe, options.signal, once);
  }

  /** Opens a stream. Its limit is until the head of the answer; the signal ends it at any time. */
  async stream(path: string, query: object, signal: AbortSignal): Promise<Response> {
    const late = new AbortController();
    const { timeoutMs } = this.options;
    const timer = setTimeout(() => late.abort(new TimeoutError(timeoutMs)), timeoutMs);
    try {
      const accept = { accept: 'text/event-stream' };
      const both = AbortSignal.any([signal, late.signal]);
      // A ticket in the query is the whole credential.
      const credential = 'ticket' in query ? undefined : this.options.credential;
      return await this.send(this.url(path, query), { headers: accept }, credential, both);
    } finally {
      clearTimeout(timer);
    }
  }

  url(path: string, query: object = {}): string {
    const search = new URLSearchParams();
    for (const [key, value] of Object.entries(query) as [string, QueryValue][]) {
      if (value == null) continue;
      search.set(snakeCase(key), value instanceof Date ? value.toISOString() : String(value));
    }
    return `${this.options.baseUrl}${path}${search.size > 0 ? `?${search.toString()}` : ''}`;
  }

  /** What the server wrote on a stream; of calls see `parsed`. */
  parse(text: string): unknown {
    return this.options.parseJson(text);
  }

  /** Repeats what may be repeated. A 429 was refused before anything was done, so that any method may come again. */
  private async repeated<T>(
    isSafe: boolean,
    signal: AbortSignal | undefined,
    attempt: () => Promise<T>,
  ): Promise<T> {
    const { maxRetries = 3 } = this.options;
    for (let retries = 0; ; retries++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof SpooledError) || !error.retryable || retries >= maxRetries)
          throw error;
        if (!isSafe && error.status !== 429) throw error;
        const { retryAfterMs = 0 } = error;
        if (retryAfterMs > MAX_RETRY_AFTER_MS) throw error;
        await delay(Math.max(retryAfterMs, backoffMs(retries, this.options)), signal);
      }
    }
  }

  private parsed(text: string): unknown {
    try {
      return this.parse(text);
    } catch (cause) {
      throw new SpooledError('the answer is not JSON', {
        code: 'UNKNOWN_ERROR',
        status: 200,
        cause,
      });
    }
  }

  private async once(
    url: string,
    request: RequestInit,
    credential: Credential | undefined,
    options: CallOptions,
  ): Promise<string> {
    const { signal, timeoutMs = this.options.timeoutMs } = options;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new TimeoutError(timeoutMs)), timeoutMs);
    try {
      const both = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
      const response = await this.send(url, request, credential, both);
      return await answered(both, response.text());
    } finally {
      clearTimeout(timer);
    }
  }

  /** @throws SpooledError unless the answer is good. */
  private async send(
    url: string,
    request: RequestInit,
    credential: Credential | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    for (let isRenewed = false; ; isRenewed = true) {
      const token = await credential?.token();
      const headers = new Headers(this.options.headers);
      new Headers(request.headers).forEach((value, name) => headers.set(name, value));
      if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
      if (request.body !== undefined) headers.set('content-type', 'application/json');
      const response = await answered(
        signal,
        this.options.fetch(url, { ...request, headers, signal }),
      );
      if (response.ok) return response;
      const error = await errorOf(response);
      if (isRenewed || !(error instanceof AuthenticationError)) throw error;
      if (!(await credential?.renew?.())) throw error;
    }
  }
}

/** An empty segment, or one of dots, would be the path of something else. */
function pathSegment(key: string, value = ''): string {
  if (!/^\.{0,2}$/.test(value)) return encodeURIComponent(value);
  throw new ValidationError(`${key}: must not be "${value}"`, { code: 'VALIDATION_ERROR' });
}

/** Without those that are not. */
function given(headers: Readonly<Record<string, string | undefined>>): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as [string, string]],
  );
}

/** Tells apart who gave up: the caller, our time limit, or the network. */
async function answered<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const { message, cause } = error as Error;
    const reason = cause instanceof Error && cause.message !== '' ? cause.message : message;
    throw new NetworkError(reason, error);
  }
}
