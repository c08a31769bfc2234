import { Module } from '@nestjs/common';
import { loadConfig } from '@spooled/config';
import { PostgresModule } from '@spooled/postgres';
import { SCHEDULER_CONFIG, schedulerConfig } from './config.js';
import { DueFirer } from './maintenance/due-firer.js';
import { QueueTeller } from './maintenance/queue-teller.js';
import { Resender } from './maintenance/resender.js';
import { RunPruner } from './maintenance/run-pruner.js';
import { RunSender } from './schedules/run-sender.js';
import { RunService } from './schedules/run.service.js';
import { ScheduleService } from './schedules/schedule.service.js';
import { ScheduledQueues } from './schedules/scheduled-queues.js';
import { SchedulesController } from './schedules/schedules.controller.js';
import { RunRepository } from './schedules/store/run.repository.js';
import { ScheduleRepository } from './schedules/store/schedule.repository.js';

/** Every statement starts from a few keys or from the head of an index, however many rows there are at the moment. */
const KEYED_PLANS = {
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
};

/** The room: cron schedules and what became of their fires. Needs the global platform modules around it. */
@Module({
  imports: [
    PostgresModule.forRoom({
      role: 'spooled_schedules',
      maxConnections: 8,
      settings: KEYED_PLANS,
    }),
  ],
  providers: [
    { provide: SCHEDULER_CONFIG, useFactory: () => loadConfig(schedulerConfig) },
    ScheduleRepository,
    RunRepository,
    RunSender,
    ScheduledQueues,
    DueFirer,
    ScheduleService,
    RunService,
    SchedulesController,
    Resender,
    QueueTeller,
    RunPruner,
  ],
})
export class SchedulerModule {}
export { migrations } from './migrations/index.js';
