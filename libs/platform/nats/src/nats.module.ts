import { Global, Module } from '@nestjs/common';
import { loadConfig } from '@spooled/config';
import { Bus } from './bus.js';
import { NATS_CONFIG, natsConfig } from './nats.config.js';

/** Provides the process's one `Bus`. */
@Global()
@Module({
  providers: [{ provide: NATS_CONFIG, useFactory: () => loadConfig(natsConfig) }, Bus],
  exports: [Bus],
})
export class BusModule {}
