import { Inject, Injectable } from '@nestjs/common';
import { AppError, openApiDocument, operationsApi } from '@spooled/contracts';
import { Readiness } from '@spooled/runtime';
import { Metrics } from '@spooled/telemetry';
import { isSameSecret } from './credentials.js';
import { HTTP_CONFIG, type HttpConfig } from './http.config.js';
import { Route, withStatus, type RequestOf } from './route.decorator.js';

/** Edge, HTTP: what probes, scrapers and the curious ask of any service. */
@Injectable()
export class OperationsController {
  #openApi: string | undefined;

  constructor(
    @Inject(HTTP_CONFIG) private readonly config: HttpConfig,
    private readonly readiness: Readiness,
    private readonly metrics: Metrics,
  ) {}

  @Route(operationsApi.health)
  async health() {
    const database = await this.readiness.holds('database');
    return { status: database ? 'healthy' : 'degraded', version: null, database, cache: true };
  }

  @Route(operationsApi.live)
  live(): void {
    // Answering at all is the answer.
  }

  @Route(operationsApi.ready)
  async ready() {
    return withStatus((await this.readiness.isReady()) ? 200 : 503, null);
  }

  @Route(operationsApi.metrics)
  async scrape({ headers, reply }: RequestOf<typeof operationsApi.metrics>) {
    const token = /^bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    const { METRICS_TOKEN: expected } = this.config;
    if (expected !== undefined && !isSameSecret(token, expected))
      throw new AppError('UNAUTHORIZED');
    return reply
      .header('content-type', operationsApi.metrics.responses[200])
      .send(await this.metrics.exposition());
  }

  @Route(operationsApi.openApi)
  openApi({ reply }: RequestOf<typeof operationsApi.openApi>) {
    this.#openApi ??= JSON.stringify(openApiDocument());
    return reply.header('content-type', 'application/json; charset=utf-8').send(this.#openApi);
  }
}
