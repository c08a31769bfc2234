import { Module } from '@nestjs/common';
import { AccessModule } from '@spooled/access';
import { AuthModule } from '@spooled/auth';
import { DashboardModule } from '@spooled/dashboard';
import { EventFeedsModule, EventLogModule } from '@spooled/event-log';
import { GrpcModule } from '@spooled/grpc';
import { HttpModule } from '@spooled/http';
import { JobApiModule } from '@spooled/job-api';
import { BusModule } from '@spooled/nats';
import { RealtimeGatewayModule } from '@spooled/realtime-gateway';
import { RuntimeModule } from '@spooled/runtime';
import { SchedulerModule } from '@spooled/scheduler';
import { TelemetryModule } from '@spooled/telemetry';
import { WebhookDispatcherModule } from '@spooled/webhook-dispatcher';
import { WorkerRegistryModule } from '@spooled/worker-registry';

/** All rooms in one process, over the same bus and the same database as if they were apart, and the dashboard. */
@Module({
  imports: [
    TelemetryModule.forRoot({ service: 'spooled' }),
    RuntimeModule,
    BusModule,
    HttpModule,
    AccessModule,
    GrpcModule,
    EventLogModule,
    EventFeedsModule,
    AuthModule,
    JobApiModule,
    WorkerRegistryModule,
    SchedulerModule,
    WebhookDispatcherModule,
    RealtimeGatewayModule,
    DashboardModule,
  ],
})
export class StandaloneModule {}
