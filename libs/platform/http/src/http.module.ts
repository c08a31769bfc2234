import { Global, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { loadConfig } from '@spooled/config';
import { DocsPage } from './docs-page.js';
import { HTTP_CONFIG, httpConfig, withEnvironment } from './http.config.js';
import { HttpServer } from './http-server.js';
import { MetricsPage } from './metrics-page.js';
import { MetricsPort } from './metrics-port.js';
import { OperationsController } from './operations.controller.js';
import { SharedLimits } from './shared-limits.js';
import { TrafficControl } from './traffic-control.js';

/** Serves every `@Route` method of the application's providers. */
@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [
    { provide: HTTP_CONFIG, useFactory: () => withEnvironment(loadConfig(httpConfig)) },
    SharedLimits,
    TrafficControl,
    HttpServer,
    MetricsPage,
    MetricsPort,
    OperationsController,
    DocsPage,
  ],
  exports: [HttpServer, SharedLimits, TrafficControl],
})
export class HttpModule {}
