import { Module } from '@nestjs/common';
import { loadConfig } from '@spooled/config';
import { Database, GroupCommit, PostgresModule } from '@spooled/postgres';
import { Metrics } from '@spooled/telemetry';
import { JOB_API_CONFIG, jobApiConfig, type JobApiConfig } from './config.js';
import { DeadLetterService } from './dead-letters/dead-letter.service.js';
import { DeadLettersController } from './dead-letters/dead-letters.controller.js';
import { DeadLetterRepository } from './dead-letters/store/dead-letter.repository.js';
import { DashboardController } from './dashboard/dashboard.controller.js';
import { DashboardService } from './dashboard/dashboard.service.js';
import { DashboardRepository } from './dashboard/store/dashboard.repository.js';
import { BulkActionService } from './jobs/bulk-action.service.js';
import { DependencyService } from './jobs/dependency.service.js';
import { EnqueueService } from './jobs/enqueue.service.js';
import { HistoryService } from './jobs/history.service.js';
import { JobMetrics } from './jobs/job-metrics.js';
import { JobsGrpc } from './jobs/jobs.grpc.js';
import { JobService } from './jobs/job.service.js';
import { JobsController } from './jobs/jobs.controller.js';
import { JobsResponder } from './jobs/jobs.responder.js';
import { LeaseService } from './jobs/lease.service.js';
import { LeasesController } from './jobs/leases.controller.js';
import { ProcessJobs } from './jobs/process-jobs.js';
import { PushService } from './jobs/push.service.js';
import { Children } from './jobs/store/children.js';
import { Claims } from './jobs/store/claims.js';
import { DependencyRepository } from './jobs/store/dependency.repository.js';
import { CompletionWebhookRepository } from './jobs/store/completion-webhook.repository.js';
import { EnqueueRepository } from './jobs/store/enqueue.repository.js';
import { HistoryRepository } from './jobs/store/history.repository.js';
import { JobLists } from './jobs/store/job-lists.js';
import { JobRepository } from './jobs/store/job.repository.js';
import { LeaseRepository } from './jobs/store/lease.repository.js';
import { QueueHeads } from './jobs/store/queue-heads.js';
import { ReadyRepository } from './jobs/store/ready.repository.js';
import { Settlements } from './jobs/store/settlements.js';
import { WhyRepository } from './jobs/store/why.repository.js';
import { UnsettledJobs } from './jobs/unsettled-jobs.js';
import { WhyService } from './jobs/why.service.js';
import { WorkSignal } from './jobs/work-signal.js';
import { WorkSweeper } from './jobs/work-sweeper.js';
import { WorkerCalls } from './jobs/worker-calls.js';
import { CounterFolder } from './maintenance/counter-folder.js';
import { DueStager } from './maintenance/due-stager.js';
import { ExpirySweeper } from './maintenance/expiry-sweeper.js';
import { LeaseReaper } from './maintenance/lease-reaper.js';
import { Loops } from './maintenance/loops.js';
import { RetentionPruner } from './maintenance/retention-pruner.js';
import { OrganizationsResponder } from './organizations/organizations.responder.js';
import { OrganizationRepository } from './organizations/store/organization.repository.js';
import { QueueService } from './queues/queue.service.js';
import { QueuesController } from './queues/queues.controller.js';
import { QueuesResponder } from './queues/queues.responder.js';
import { QueueRemoval } from './queues/store/queue-removal.js';
import { QueueRepository } from './queues/store/queue.repository.js';
import { WorkflowProgress } from './workflows/store/workflow-progress.js';
import { WorkflowRepository } from './workflows/store/workflow.repository.js';
import { WorkflowService } from './workflows/workflow.service.js';
import { WorkflowsController } from './workflows/workflows.controller.js';

/**
 * Every statement here starts from a few keys and reads rows by index. Whatever the statistics say at the moment, a
 * plan that reads a whole table or a whole organization to join a few rows is wrong.
 */
export const KEYED_PLANS = {
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_sort: 'off',
};

/** Jobs, queues and leases: sole writer of the schema `jobs`. */
@Module({
  imports: [
    PostgresModule.forRoom({ role: 'spooled_jobs', maxConnections: 10, settings: KEYED_PLANS }),
  ],
  providers: [
    { provide: JOB_API_CONFIG, useFactory: () => loadConfig(jobApiConfig) },
    {
      provide: GroupCommit,
      inject: [Database, Metrics, JOB_API_CONFIG],
      useFactory: (database: Database, metrics: Metrics, config: JobApiConfig) => {
        const { GROUP_COMMIT_MAX_ROWS: maxRows, GROUP_COMMIT_MAX_IN_FLIGHT } = config;
        // Without grouping, what would share one transaction needs as many.
        const maxInFlight = maxRows === 1 ? 8 : GROUP_COMMIT_MAX_IN_FLIGHT;
        return new GroupCommit({ database, metrics, maxRows, maxInFlight });
      },
    },
    WorkSignal,
    UnsettledJobs,
    JobMetrics,
    WorkflowProgress,
    Children,
    CompletionWebhookRepository,
    EnqueueRepository,
    QueueHeads,
    Claims,
    Settlements,
    LeaseRepository,
    JobRepository,
    JobLists,
    ReadyRepository,
    DependencyRepository,
    WhyRepository,
    HistoryRepository,
    WorkflowRepository,
    DeadLetterRepository,
    QueueRepository,
    QueueRemoval,
    DashboardRepository,
    OrganizationRepository,
    EnqueueService,
    LeaseService,
    PushService,
    JobService,
    DependencyService,
    BulkActionService,
    WhyService,
    HistoryService,
    WorkflowService,
    DeadLetterService,
    QueueService,
    DashboardService,
    JobsController,
    LeasesController,
    WorkerCalls,
    ProcessJobs,
    JobsGrpc,
    WorkflowsController,
    DeadLettersController,
    QueuesController,
    DashboardController,
    JobsResponder,
    QueuesResponder,
    OrganizationsResponder,
    Loops,
    WorkSweeper,
    LeaseReaper,
    DueStager,
    ExpirySweeper,
    CounterFolder,
    RetentionPruner,
  ],
})
export class JobApiModule {}

export { migrations } from './migrations/index.js';
