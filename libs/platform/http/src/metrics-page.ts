import { Inject, Injectable } from '@nestjs/common';
import { AppError } from '@spooled/contracts';
import { Metrics } from '@spooled/telemetry';
import type { IncomingHttpHeaders } from 'node:http';
import { credentialOf, isSameSecret } from './credentials.js';
import { HTTP_CONFIG, type HttpConfig } from './http.config.js';

/** The metrics as text, for whoever has the token when there is one. */
@Injectable()
export class MetricsPage {
  constructor(
    @Inject(HTTP_CONFIG) private readonly config: HttpConfig,
    private readonly metrics: Metrics,
  ) {}

  /** @throws AppError `UNAUTHORIZED` */
  async read(headers: IncomingHttpHeaders): Promise<string> {
    const { METRICS_TOKEN: expected } = this.config;
    const { authorization } = headers;
    if (
      expected !== undefined &&
      !isSameSecret(credentialOf({ authorization }, undefined), expected)
    ) {
      throw new AppError('UNAUTHORIZED');
    }
    return this.metrics.exposition();
  }
}
