import { Global, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { createLogger, type Logger } from './logger.js';
import { Metrics } from './metrics.js';
import { startTracing, type StopTracing } from './trace-exporter.js';

/** Injection token of the process's logger. */
export const LOGGER = Symbol('LOGGER');

/** Ties the recording of traces to the life of the process. */
class Tracing implements OnApplicationShutdown {
  constructor(private readonly stop: StopTracing) {}

  async onApplicationShutdown(): Promise<void> {
    await this.stop();
  }
}

@Global()
@Module({})
export class TelemetryModule {
  static forRoot({ service }: { service: string }): DynamicModule {
    return {
      module: TelemetryModule,
      providers: [
        Metrics,
        { provide: LOGGER, useFactory: () => createLogger(service) },
        {
          provide: Tracing,
          inject: [LOGGER, Metrics],
          useFactory: async (logger: Logger, metrics: Metrics) =>
            new Tracing(await startTracing(service, logger, metrics)),
        },
      ],
      exports: [Metrics, LOGGER],
    };
  }
}
