import { Module } from '@nestjs/common';
import { loadConfig } from '@spooled/config';
import { PostgresModule } from '@spooled/postgres';
import { WORKER_REGISTRY_CONFIG, workerRegistryConfig } from './config.js';
import { ReleaseRetry } from './maintenance/release-retry.js';
import { StalenessSweep } from './maintenance/staleness-sweep.js';
import { WorkerGauges } from './maintenance/worker-gauges.js';
import { WorkerPruner } from './maintenance/worker-pruner.js';
import { HeartbeatService } from './workers/heartbeat.service.js';
import { RegistrationService } from './workers/registration.service.js';
import { ReleaseService } from './workers/release.service.js';
import { RosterService } from './workers/roster.service.js';
import { WorkerRepository } from './workers/store/worker.repository.js';
import { WorkersController } from './workers/workers.controller.js';
import { WorkersGrpc } from './workers/workers.grpc.js';

/** The room: who is alive, on which queues. Needs the global platform modules around it. */
@Module({
  imports: [PostgresModule.forRoom({ role: 'spooled_workers', maxConnections: 6 })],
  providers: [
    { provide: WORKER_REGISTRY_CONFIG, useFactory: () => loadConfig(workerRegistryConfig) },
    WorkerRepository,
    ReleaseService,
    RegistrationService,
    HeartbeatService,
    RosterService,
    WorkersController,
    WorkersGrpc,
    ReleaseRetry,
    StalenessSweep,
    WorkerPruner,
    WorkerGauges,
  ],
})
export class WorkerRegistryModule {}
export { migrations } from './migrations/index.js';
