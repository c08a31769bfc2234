import { Module } from '@nestjs/common';
import { AccessModule } from '@spooled/access';
import { EventFeedsModule } from '@spooled/event-log';
import { GrpcModule } from '@spooled/grpc';
import { HttpModule } from '@spooled/http';
import { BusModule } from '@spooled/nats';
import { RuntimeModule } from '@spooled/runtime';
import { TelemetryModule } from '@spooled/telemetry';
import { RealtimeGatewayModule } from './realtime-gateway.module.js';

/** The room as a process of its own. */
@Module({
  imports: [
    TelemetryModule.forRoot({ service: 'realtime-gateway' }),
    RuntimeModule,
    BusModule,
    HttpModule,
    AccessModule,
    GrpcModule,
    EventFeedsModule,
    RealtimeGatewayModule,
  ],
})
export class AppModule {}
