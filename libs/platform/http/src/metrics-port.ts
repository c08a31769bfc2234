import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { AppError, operationsApi } from '@spooled/contracts';
import { LOGGER, type Logger } from '@spooled/telemetry';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorReply, isServerFault } from './error-body.js';
import { HTTP_CONFIG, type HttpConfig } from './http.config.js';
import { listenProblem } from './listen-problem.js';
import { MetricsPage } from './metrics-page.js';

/**
 * `/metrics` once more on `METRICS_PORT`, when that is set: a port that only scrapers can reach. It answers until the
 * very end of the process, also while it drains.
 */
@Injectable()
export class MetricsPort implements OnApplicationBootstrap, OnApplicationShutdown {
  #server: Server | undefined;

  constructor(
    @Inject(HTTP_CONFIG) private readonly config: HttpConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly page: MetricsPage,
  ) {}

  /** The port it listens on, if any. */
  get port(): number | undefined {
    return (this.#server?.address() as AddressInfo | null | undefined)?.port;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { HOST: host, METRICS_PORT: port } = this.config;
    if (port === undefined) return;
    const server = createServer((request, response) => void this.#answer(request, response));
    server.listen({ host, port });
    await once(server, 'listening').catch((error: unknown) => {
      throw listenProblem(error, 'METRICS_PORT', port);
    });
    this.#server = server;
  }

  async onApplicationShutdown(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const text = await this.#read(request);
      response.setHeader('content-type', operationsApi.metrics.responses[200]);
      response.end(text);
    } catch (error) {
      if (isServerFault(error)) this.logger.error({ err: error }, 'metrics could not be shown');
      const { status, headers, body } = errorReply(error);
      response.writeHead(status, { ...headers, 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    }
  }

  async #read({ url = '', method, headers }: IncomingMessage): Promise<string> {
    const { path } = operationsApi.metrics;
    if (url.split('?', 1)[0] !== path) throw new AppError('NOT_FOUND', 'There is no such route.');
    if (method !== operationsApi.metrics.method) throw new AppError('METHOD_NOT_ALLOWED');
    return this.page.read(headers);
  }
}
