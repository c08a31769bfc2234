import { Module } from '@nestjs/common';
import { AccessModule } from '@spooled/access';
import { EventLogModule } from '@spooled/event-log';
import { HttpModule } from '@spooled/http';
import { BusModule } from '@spooled/nats';
import { RuntimeModule } from '@spooled/runtime';
import { TelemetryModule } from '@spooled/telemetry';
import { SchedulerModule } from './scheduler.module.js';

/** The room as a process of its own. */
@Module({
  imports: [
    TelemetryModule.forRoot({ service: 'scheduler' }),
    RuntimeModule,
    BusModule,
    HttpModule,
    AccessModule,
    EventLogModule,
    SchedulerModule,
  ],
})
export class AppModule {}
