import { Module } from '@nestjs/common';
import { AccessModule } from '@spooled/access';
import { HttpModule } from '@spooled/http';
import { BusModule } from '@spooled/nats';
import { RuntimeModule } from '@spooled/runtime';
import { TelemetryModule } from '@spooled/telemetry';
import { WebhookDispatcherModule } from './webhook-dispatcher.module.js';

/** The room as a process of its own. */
@Module({
  imports: [
    TelemetryModule.forRoot({ service: 'webhook-dispatcher' }),
    RuntimeModule,
    BusModule,
    HttpModule,
    AccessModule,
    WebhookDispatcherModule,
  ],
})
export class AppModule {}
