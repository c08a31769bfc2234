import { AppError, fullPath, type RouteSpec } from '@spooled/contracts';
import { annotate, outsideTraces, type Logger, type Metrics } from '@spooled/telemetry';
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { IncomingHttpHeaders } from 'node:http';
import {
  authenticate,
  authorize,
  credentialOf,
  isSameSecret,
  requireKnownOrigin,
  type Caller,
} from './credentials.js';
import { parsePart } from './error-body.js';
import type { HttpConfig } from './http.config.js';
import type { InFlight } from './in-flight.js';
import type { PrincipalResolver } from './principal-resolver.js';
import { beginSpan, endSpan, inRequest } from './request-spans.js';
import { RawJson, StatusAnswer } from './route.decorator.js';
import type { TrafficControl } from './traffic-control.js';

type Handler = (request: unknown) => unknown;

/** What the parser of bodies is to know of a route. */
export interface RouteSettings {
  readonly isBodyRaw: boolean;
}

const JSON_TYPE = 'application/json; charset=utf-8';

/** A request that takes longer is worth a line, unless it waits on purpose, in milliseconds. */
const SLOW_MS = 1000;

/** Turns a route's spec and its handler into a Fastify route: caller, limits, validation, answer, metric, span, line. */
export class RouteBinding {
  readonly #requests;
  readonly #seconds;

  constructor(
    private readonly resolver: PrincipalResolver,
    private readonly traffic: TrafficControl,
    private readonly inFlight: InFlight,
    private readonly config: HttpConfig,
    private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.#requests = metrics.counter({
      name: 'spooled_api_requests_total',
      help: 'HTTP requests by route and status.',
      labelNames: ['method', 'route', 'status'],
    });
    this.#seconds = metrics.histogram({
      name: 'spooled_api_request_duration_seconds',
      help: 'Duration of HTTP requests by route.',
      labelNames: ['method', 'route'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    });
  }

  bind(spec: RouteSpec, handler: Handler): RouteOptions {
    const callers = new WeakMap<FastifyRequest, Caller>();
    const defaultStatus = Number(Object.keys(spec.responses)[0]);
    const labels = { method: spec.method, route: fullPath(spec) };
    return {
      method: spec.method,
      url: fullPath(spec),
      config: { isBodyRaw: spec.rawBody === true },
      // Streams are never compressed; short answers are below the threshold anyway.
      compress: spec.auth === 'stream' ? false : { threshold: 1024 },
      // Before the body is read: a stranger must not make us read five megabytes.
      onRequest: async (request, reply) => {
        if (!isProbe(spec)) beginSpan(spec, request);
        const caller = await inRequest(request, () => this.#admit(spec, request, reply));
        if (caller !== undefined) callers.set(request, caller);
      },
      onResponse: (request, reply, done) => {
        this.#requests.inc({ ...labels, status: reply.statusCode });
        // A stream's life is no duration of a request.
        if (spec.auth !== 'stream') this.#seconds.observe(labels, reply.elapsedTime / 1000);
        inRequest(request, () => this.#tell(spec, request, reply, callers.get(request)));
        endSpan(request, reply.statusCode);
        done();
      },
      handler: async (request, reply) => {
        const input = new RouteRequest(request, reply, callers.get(request), spec);
        if (spec.auth === 'stream') {
          // A stream outlives its request by hours: the span is that of its opening.
          endSpan(request, reply.statusCode);
          const answer = await outsideTraces(() => handler(input));
          return reply.sent ? reply : send(reply, defaultStatus, answer);
        }
        const answer = await inRequest(request, () => {
          if (input.principal !== undefined) {
            annotate({ 'spooled.organization.id': input.principal.organizationId });
          }
          return this.inFlight.limit(Promise.resolve(handler(input)));
        });
        return reply.sent ? reply : send(reply, defaultStatus, answer);
      },
    } satisfies RouteOptions & { compress: unknown; config: RouteSettings };
  }

  /**
   * One line for each request: those that were slow or failed by our fault always, the others for who looks closely. What is
   * away for an hour must not fill the log, so being refused for that is no reason.
   */
  #tell(
    spec: RouteSpec,
    request: FastifyRequest,
    { statusCode, elapsedTime }: FastifyReply,
    caller: Caller | undefined,
  ): void {
    const isSlow = elapsedTime >= SLOW_MS && spec.auth !== 'stream' && spec.mayWait !== true;
    const isWorthIt = statusCode !== 503 && (statusCode >= 500 || isSlow);
    const level = isWorthIt ? 'info' : 'debug';
    if (!this.logger.isLevelEnabled(level)) return;
    this.logger[level](
      {
        method: spec.method,
        route: fullPath(spec),
        status: statusCode,
        duration_ms: Math.round(elapsedTime),
        request_id: request.id,
        ...(caller === undefined ? {} : { organization_id: caller.principal.organizationId }),
      },
      'request',
    );
  }

  async #admit(
    spec: RouteSpec,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<Caller | undefined> {
    if (spec.auth === 'public' || spec.auth === 'admin') {
      if (!isProbe(spec)) this.traffic.admitStranger(spec.auth, request.ip);
      if (
        spec.auth === 'admin' &&
        !isSameSecret(request.headers['x-admin-key'], this.config.ADMIN_API_KEY)
      ) {
        throw new AppError('UNAUTHORIZED', 'The admin key is missing or not valid.');
      }
      return undefined;
    }
    const query = spec.auth === 'stream' ? (request.query as Record<string, unknown>) : undefined;
    if (query !== undefined) requireKnownOrigin(this.config, request.headers, query);
    const caller = await authenticate(
      this.resolver,
      spec.auth,
      credentialOf(request.headers, query),
    );
    const { headers, refusal } = this.traffic.admit(caller.principal);
    reply.headers(headers);
    if (refusal !== undefined) throw refusal;
    authorize(spec.auth, caller.principal);
    return caller;
  }
}

/** Health and metrics, which must answer whoever floods the rest. */
function isProbe(spec: RouteSpec): boolean {
  return spec.service === 'every' && spec.base === '';
}

/** What a handler sees; parts are parsed once, in the order path, query, body. */
class RouteRequest {
  readonly principal: Caller['principal'] | undefined;
  readonly credential: string | undefined;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly raw: FastifyRequest;
  readonly reply: FastifyReply;
  #abort: AbortController | undefined;

  constructor(
    request: FastifyRequest,
    reply: FastifyReply,
    caller: Caller | undefined,
    spec: RouteSpec,
  ) {
    this.raw = request;
    this.reply = reply;
    this.principal = caller?.principal;
    this.credential = caller?.credential;
    this.params = request.params;
    // A stream's bad filter is BAD_REQUEST: its clients know no validation body.
    const refusalCode = spec.auth === 'stream' ? 'BAD_REQUEST' : 'VALIDATION_ERROR';
    this.query =
      spec.query === undefined ? undefined : parsePart(spec.query, request.query, refusalCode);
    this.body = spec.body === undefined ? undefined : bodyOf(spec, request.body);
  }

  get headers(): IncomingHttpHeaders {
    return this.raw.headers;
  }

  get ip(): string {
    return this.raw.ip;
  }

  get requestId(): string {
    return this.raw.id;
  }

  /** Made on first use: most handlers are done before a client could go away. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      const { raw } = this.reply;
      if (raw.destroyed) abort.abort();
      raw.once('close', () => {
        if (!raw.writableFinished) abort.abort();
      });
    }
    return this.#abort.signal;
  }
}

function bodyOf(spec: RouteSpec, body: unknown): unknown {
  if (spec.rawBody === true) return body ?? '';
  const given = body ?? (spec.bodyOptional === true ? {} : undefined);
  return parsePart(spec.body!, given);
}

function send(reply: FastifyReply, defaultStatus: number, answer: unknown): FastifyReply {
  if (answer instanceof StatusAnswer) return write(reply.code(answer.status), answer.body);
  return write(reply.code(defaultStatus), answer);
}

function write(reply: FastifyReply, body: unknown): FastifyReply {
  if (body === undefined || body === null) return reply.send();
  const text = body instanceof RawJson ? body.text : JSON.stringify(body);
  return reply.header('content-type', JSON_TYPE).send(text);
}
