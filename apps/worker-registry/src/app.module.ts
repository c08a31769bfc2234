import { Module } from '@nestjs/common';
import { AccessModule } from '@spooled/access';
import { EventLogModule } from '@spooled/event-log';
import { GrpcModule } from '@spooled/grpc';
import { HttpModule } from '@spooled/http';
import { BusModule } from '@spooled/nats';
import { RuntimeModule } from '@spooled/runtime';
import { TelemetryModule } from '@spooled/telemetry';
import { WorkerRegistryModule } from './worker-registry.module.js';

/** The room as a process of its own. */
@Module({
  imports: [
    TelemetryModule.forRoot({ service: 'worker-registry' }),
    RuntimeModule,
    BusModule,
    HttpModule,
    AccessModule,
    GrpcModule,
    EventLogModule,
    WorkerRegistryModule,
  ],
})
export class AppModule {}
