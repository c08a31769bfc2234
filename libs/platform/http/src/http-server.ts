import compress from '@fastify/compress';
import cors from '@fastify/cors';
import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { AppError, fullPath, type RouteSpec } from '@spooled/contracts';
import { Readiness } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { errorReply, isServerFault } from './error-body.js';
import { HTTP_CONFIG, type HttpConfig } from './http.config.js';
import { InFlight } from './in-flight.js';
import { readJson } from './json-body.js';
import { listenProblem } from './listen-problem.js';
import { PrincipalResolver } from './principal-resolver.js';
import { requestId } from './request-id.js';
import { inRequest } from './request-spans.js';
import { routeOf } from './route.decorator.js';
import { RouteBinding, type RouteSettings } from './route-binding.js';
import { SilentConnections } from './silent-connections.js';
import { TrafficControl } from './traffic-control.js';
import { refuse, UpgradeRoutes, type UpgradeHandler } from './upgrade-routes.js';

/** The largest plan's payload and some envelope around it. */
const MAX_BODY_BYTES = 5 * 1024 * 1024 + 64 * 1024;
/** Longer than the idle limit of the usual load balancers, so that they close first. */
const KEEP_ALIVE_MS = 75_000;
const HANG_UP_EVERY_MS = 50;

/**
 * The process's HTTP server: one bare Fastify instance. Nest composes the providers; requests do not pass through it
 * (docs/adr/0004). Methods marked with `@Route` are found and bound when the application starts.
 */
@Injectable()
export class HttpServer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly fastify: FastifyInstance;
  readonly #inFlight = new InFlight();
  readonly #silent: SilentConnections;
  readonly #upgrades: UpgradeRoutes;
  readonly #routes: RouteSpec[] = [];
  readonly #binding: RouteBinding;
  readonly #fixedHeaders: Readonly<Record<string, string>>;
  #isDraining = false;

  constructor(
    @Inject(HTTP_CONFIG) private readonly config: HttpConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly readiness: Readiness,
    resolver: PrincipalResolver,
    traffic: TrafficControl,
    metrics: Metrics,
  ) {
    this.#fixedHeaders = securityHeaders(config);
    this.fastify = fastify({
      bodyLimit: MAX_BODY_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      requestTimeout: 30_000,
      forceCloseConnections: 'idle',
      // What still comes over a busy connection is served; the refusal would not be one of ours.
      return503OnClosing: false,
      trustProxy: config.TRUSTED_PROXIES.length === 0 ? false : config.TRUSTED_PROXIES,
      genReqId: requestId,
      exposeHeadRoutes: false,
      // Before any hook: a path that cannot be decoded.
      frameworkErrors: (error, request, reply) => {
        reply.headers(this.#fixedHeaders).header('x-request-id', request.id);
        void this.#refuse(error, request, reply);
      },
      clientErrorHandler: (error, socket) => {
        if (socket.writable && error.code !== 'ECONNRESET')
          refuse(socket, brokenRequest(error.code));
        else socket.destroy();
      },
      routerOptions: { maxParamLength: 1000 },
    });
    this.#silent = new SilentConnections(this.fastify.server);
    this.#binding = new RouteBinding(resolver, traffic, this.#inFlight, config, logger, metrics);
    this.#upgrades = new UpgradeRoutes(resolver, traffic, config, logger);
    this.#prepare();
  }

  /** The Node server underneath, once it listens. */
  get server(): Server {
    return this.fastify.server;
  }

  /** The port it listens on. */
  get port(): number {
    const address = this.fastify.server.address();
    return typeof address === 'object' && address !== null ? address.port : this.config.PORT;
  }

  /** Takes over upgrade requests to a path; checks, limits and refusals before the 101 are done here. */
  onUpgrade(spec: RouteSpec, handler: UpgradeHandler): void {
    this.#upgrades.add(spec, handler);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.fastify.register(cors, {
      origin: this.config.isDevelopment ? true : [...this.config.CORS_ALLOWED_ORIGINS],
      methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
      allowedHeaders: CORS_REQUEST_HEADERS,
      exposedHeaders: CORS_RESPONSE_HEADERS,
      maxAge: 600,
    });
    await this.fastify.register(compress, { threshold: 1024, encodings: ['gzip', 'br'] });
    this.#bindRoutes();
    this.fastify.server.on('upgrade', (request, socket, head) => {
      void this.#upgrades.handle(request, socket, head);
    });
    const { HOST: host, PORT: port } = this.config;
    await this.fastify.listen({ host, port }).catch((error: unknown) => {
      throw listenProblem(error, 'PORT', port);
    });
  }

  /**
   * Tells with every answer that the connection ends, lets requests under way finish, and closes. A connection that is
   * closed without a word loses the request that is on its way to us.
   */
  async beforeApplicationShutdown(): Promise<void> {
    this.readiness.drain();
    this.#isDraining = true;
    await this.#linger();
    // Connections that were busy when the close began turn idle later, and would be kept for the next request.
    const hangUp = setInterval(() => {
      this.fastify.server.closeIdleConnections();
      this.#silent.hangUp();
    }, HANG_UP_EVERY_MS);
    await this.fastify.close();
    clearInterval(hangUp);
    this.#inFlight.stop();
  }

  async #linger(): Promise<void> {
    const deadline = performance.now() + this.config.HTTP_LINGER_MS;
    const { server } = this.fastify;
    if (!server.listening) return;
    const count = promisify(server.getConnections.bind(server));
    while (performance.now() < deadline && (await count()) > 0) await delay(HANG_UP_EVERY_MS);
  }

  #prepare(): void {
    const { fastify: app } = this;
    app.removeAllContentTypeParsers();
    app.addContentTypeParser<string>(
      'application/json',
      { parseAs: 'string' },
      (request, text, done) => {
        try {
          // What is sent to an unknown path is nobody's to judge.
          const { isBodyRaw } = request.routeOptions.config as Partial<RouteSettings>;
          done(null, request.is404 ? undefined : isBodyRaw ? text : readJson(text));
        } catch (error) {
          done(error as Error);
        }
      },
    );
    app.addHook('onRequest', (request, reply, done) => {
      reply.headers(this.#fixedHeaders);
      reply.header('x-request-id', request.id);
      const version = request.headers['x-api-version'];
      if (typeof version === 'string' && /^\d+$/.test(version) && Number(version) !== 1) {
        done(new AppError('BAD_REQUEST', 'Only API version 1 is served.'));
      } else done();
    });
    app.addHook('onSend', (_request, reply, payload, done) => {
      if (this.#isDraining) reply.header('connection', 'close');
      done(null, payload);
    });
    app.setErrorHandler((error, request, reply) => this.#refuse(error, request, reply));
    app.setNotFoundHandler((request, reply) => {
      const isKnown = this.#routes.some((spec) => matches(spec, request.url));
      return this.#refuse(
        new AppError(
          isKnown ? 'METHOD_NOT_ALLOWED' : 'NOT_FOUND',
          isKnown ? undefined : 'There is no such route.',
        ),
        request,
        reply,
      );
    });
  }

  #bindRoutes(): void {
    for (const { instance } of this.discovery.getProviders()) {
      if (typeof instance !== 'object' || instance === null) continue;
      const prototype = Object.getPrototypeOf(instance) as object;
      for (const method of this.scanner.getAllMethodNames(prototype)) {
        const spec = routeOf(prototype, method);
        if (spec === undefined || this.#routes.includes(spec)) continue;
        this.#routes.push(spec);
        const handler = (instance as Record<string, (request: unknown) => unknown>)[method];
        this.fastify.route(this.#binding.bind(spec, handler!.bind(instance)));
      }
    }
  }

  #refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { status, headers, body } = errorReply(error);
    if (isServerFault(error)) {
      const fields = { err: error, request_id: request.id, route: request.routeOptions.url };
      inRequest(request, () => this.logger.error(fields, 'request failed'));
    }
    return reply.code(status).headers(headers).send(body);
  }
}

const CORS_REQUEST_HEADERS = [
  'authorization',
  'content-type',
  'x-api-key',
  'x-request-id',
  'x-admin-key',
  'x-organization-id',
  'idempotency-key',
  'last-event-id',
  'traceparent',
];
const CORS_RESPONSE_HEADERS = [
  'x-request-id',
  'retry-after',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-ratelimit-scope',
  'x-has-more',
];

function securityHeaders(config: HttpConfig): Record<string, string> {
  return {
    'x-api-version': '1',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    ...(config.ENABLE_HSTS
      ? { 'strict-transport-security': 'max-age=31536000; includeSubDomains' }
      : {}),
  };
}

/** What never became a request: the parser gave up, or it did not come in time. */
function brokenRequest(code: string | undefined): AppError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new AppError('REQUEST_TIMEOUT');
  const message =
    code === 'HPE_HEADER_OVERFLOW' ? 'The header is too large.' : 'This is not an HTTP request.';
  return new AppError('BAD_REQUEST', message);
}

function matches(spec: RouteSpec, url: string): boolean {
  const pattern = fullPath(spec).replaceAll(/:\w+/g, '[^/]+').replaceAll('.', '\\.');
  return new RegExp(`^${pattern}/?$`).test(url.split('?', 1)[0] as string);
}
