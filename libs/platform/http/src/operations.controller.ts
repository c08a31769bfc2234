import { Injectable } from '@nestjs/common';
import { asyncApiDocument, openApiDocument, operationsApi } from '@spooled/contracts';
import { Readiness } from '@spooled/runtime';
import { MetricsPage } from './metrics-page.js';
import { Route, withStatus, type RequestOf } from './route.decorator.js';

/** Edge, HTTP: what probes, scrapers and the curious ask of any service. */
@Injectable()
export class OperationsController {
  #openApi: string | undefined;
  #asyncApi: string | undefined;

  constructor(
    private readonly readiness: Readiness,
    private readonly metrics: MetricsPage,
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
    const text = await this.metrics.read(headers);
    return reply.header('content-type', operationsApi.metrics.responses[200]).send(text);
  }

  @Route(operationsApi.openApi)
  openApi({ reply }: RequestOf<typeof operationsApi.openApi>) {
    this.#openApi ??= JSON.stringify(openApiDocument());
    return reply.header('content-type', 'application/json; charset=utf-8').send(this.#openApi);
  }

  @Route(operationsApi.asyncApi)
  asyncApi({ reply }: RequestOf<typeof operationsApi.asyncApi>) {
    this.#asyncApi ??= JSON.stringify(asyncApiDocument());
    return reply.header('content-type', 'application/json; charset=utf-8').send(this.#asyncApi);
  }
}
