import { Global, Module, type DynamicModule } from '@nestjs/common';
import { createLogger } from './logger.js';
import { Metrics } from './metrics.js';

/** Injection token of the process's logger. */
export const LOGGER = Symbol('LOGGER');

@Global()
@Module({})
export class TelemetryModule {
  static forRoot(options: { service: string }): DynamicModule {
    return {
      module: TelemetryModule,
      providers: [Metrics, { provide: LOGGER, useFactory: () => createLogger(options.service) }],
      exports: [Metrics, LOGGER],
    };
  }
}
