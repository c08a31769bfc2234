import { Global, Module } from '@nestjs/common';
import { HttpModule, PrincipalResolver } from '@spooled/http';
import { RuntimeModule } from '@spooled/runtime';
import { TelemetryModule } from '@spooled/telemetry';
import { DashboardModule } from './dashboard.module.js';
import { PrivateMetrics } from './private-metrics.js';

/** Nothing here asks for a credential, so nobody has to be known. */
@Global()
@Module({
  providers: [{ provide: PrincipalResolver, useValue: { resolve: async () => null } }],
  exports: [PrincipalResolver],
})
class Strangers {}

/** The room as a process of its own: no database, no bus, no secret. */
@Module({
  imports: [
    TelemetryModule.forRoot({ service: 'dashboard' }),
    RuntimeModule,
    Strangers,
    HttpModule,
    DashboardModule,
  ],
  providers: [PrivateMetrics],
})
export class AppModule {}
