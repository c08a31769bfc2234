import { Module } from '@nestjs/common';
import { AccessModule } from '@spooled/access';
import { EventLogModule } from '@spooled/event-log';
import { GrpcModule } from '@spooled/grpc';
import { HttpModule } from '@spooled/http';
import { BusModule } from '@spooled/nats';
import { RuntimeModule } from '@spooled/runtime';
import { TelemetryModule } from '@spooled/telemetry';
import { JobApiModule } from './job-api.module.js';

/** The room as a service of its own. */
@Module({
  imports: [
    TelemetryModule.forRoot({ service: 'job-api' }),
    RuntimeModule,
    BusModule,
    HttpModule,
    AccessModule,
    GrpcModule,
    EventLogModule,
    JobApiModule,
  ],
})
export class AppModule {}
