import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError, fullPath, operationsApi } from '@spooled/contracts';
import { HttpServer } from '@spooled/http';

/**
 * Keeps `/metrics` to `METRICS_PORT`. Of all services this one is asked, from outside, for every path that nobody else owns,
 * and it has no secret to tell scrapers by.
 */
@Injectable()
export class PrivateMetrics implements OnModuleInit {
  constructor(private readonly http: HttpServer) {}

  onModuleInit(): void {
    this.http.fastify.addHook('onRequest', (request, _reply, done) => {
      const isMetrics = request.routeOptions.url === fullPath(operationsApi.metrics);
      done(isMetrics ? new AppError('NOT_FOUND', 'There is no such route.') : undefined);
    });
  }
}
