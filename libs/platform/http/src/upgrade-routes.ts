import { AppError, fullPath, type Principal, type RouteSpec } from '@spooled/contracts';
import type { Logger } from '@spooled/telemetry';
import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { authenticate, authorize, credentialOf, requireKnownOrigin } from './credentials.js';
import { errorReply, isServerFault, parsePart } from './error-body.js';
import type { HttpConfig } from './http.config.js';
import type { PrincipalResolver } from './principal-resolver.js';
import { requestId } from './request-id.js';
import type { TrafficControl } from './traffic-control.js';

/** An upgrade request that passed every check a route makes. */
export interface Upgrade {
  readonly principal: Principal;
  readonly credential: string;
  /** Parsed with the spec's query schema. */
  readonly query: unknown;
  readonly raw: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly requestId: string;
  /** What every answer carries, also the 101. */
  readonly headers: Readonly<Record<string, string>>;
}

export type UpgradeHandler = (upgrade: Upgrade) => void | Promise<void>;

/** Upgrade requests by path. Whoever is refused gets a plain HTTP answer with the JSON error body, never a 101. */
export class UpgradeRoutes {
  readonly #routes = new Map<string, { spec: RouteSpec; handler: UpgradeHandler }>();

  constructor(
    private readonly resolver: PrincipalResolver,
    private readonly traffic: TrafficControl,
    private readonly config: HttpConfig,
    private readonly logger: Logger,
  ) {}

  add(spec: RouteSpec, handler: UpgradeHandler): void {
    this.#routes.set(fullPath(spec), { spec, handler });
  }

  async handle(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Until the handler takes over, a reset connection is nobody's error.
    const ignore = (): void => undefined;
    socket.on('error', ignore);
    const id = requestId(request);
    let headers: Record<string, string> = { 'x-api-version': '1', 'x-request-id': id };
    try {
      const url = new URL(request.url ?? '/', 'http://unused');
      const route = this.#routes.get(url.pathname);
      if (route === undefined) throw new AppError('NOT_FOUND', 'There is no such route.');
      const query = Object.fromEntries(url.searchParams);
      const credential = credentialOf(request.headers, query);
      requireKnownOrigin(this.config, request.headers, query);
      const caller = await authenticate(this.resolver, route.spec.auth, credential);
      const verdict = this.traffic.admit(caller.principal);
      headers = { ...headers, ...texts(verdict.headers) };
      if (verdict.refusal !== undefined) throw verdict.refusal;
      authorize(route.spec.auth, caller.principal);
      if (socket.destroyed) return;
      await route.handler({
        ...caller,
        query: parsePart(route.spec.query ?? z.unknown(), query, 'BAD_REQUEST'),
        raw: request,
        socket,
        head,
        requestId: id,
        headers,
      });
    } catch (error) {
      if (isServerFault(error)) this.logger.error({ err: error, request_id: id }, 'upgrade failed');
      refuse(socket, error, headers);
    } finally {
      socket.off('error', ignore);
      if (socket.destroyed) socket.on('error', ignore);
    }
  }
}

function texts(values: Readonly<Record<string, number | string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}

/** Answers on a bare socket and closes it. */
export function refuse(
  socket: Duplex,
  error: unknown,
  further: Readonly<Record<string, string>> = {},
): void {
  const { status, headers, body } = errorReply(error);
  const text = JSON.stringify(body);
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
    ...Object.entries({ ...further, ...headers }).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${text}`);
}
