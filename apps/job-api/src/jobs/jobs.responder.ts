import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError, jobsRpc } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database } from '@spooled/postgres';
import { LeaseReaper } from '../maintenance/lease-reaper.js';
import { QueueRepository } from '../queues/store/queue.repository.js';
import { readCounts } from '../quotas/quotas.js';
import { EnqueueService } from './enqueue.service.js';
import { CompletionWebhookRepository } from './store/completion-webhook.repository.js';
import { JobRepository } from './store/job.repository.js';

/** Edge, bus: what other services ask of this one. */
@Injectable()
export class JobsResponder implements OnModuleInit {
  constructor(
    private readonly bus: Bus,
    private readonly producer: EnqueueService,
    private readonly jobs: JobRepository,
    private readonly queues: QueueRepository,
    private readonly completionWebhooks: CompletionWebhookRepository,
    private readonly reaper: LeaseReaper,
    private readonly database: Database,
  ) {}

  onModuleInit(): void {
    this.bus.respond(jobsRpc.snapshot, async ({ organizationId, jobId }) => {
      const found = await this.jobs.snapshot(organizationId, jobId);
      return { job: found === null ? null : { jobId, ...found } };
    });
    this.bus.respond(jobsRpc.counters, async ({ organizationId, queueNames }) => ({
      queues: await this.queues.counters(organizationId, queueNames),
    }));
    this.bus.respond(
      jobsRpc.releaseWorker,
      async ({ organizationId, workerId, cause, leasedBefore }) => ({
        released: await this.reaper.releaseWorker(
          organizationId,
          workerId,
          cause,
          leasedBefore ?? null,
        ),
      }),
    );
    this.bus.respond(jobsRpc.enqueue, async ({ jobs }) => ({
      outcomes: (await this.producer.enqueueFor(jobs)).map((outcome) =>
        outcome instanceof AppError ? { failure: failureOf(outcome) } : outcome,
      ),
    }));
    this.bus.respond(jobsRpc.statuses, async ({ organizationId, jobIds }) => {
      const found = await this.jobs.statuses({ organizationId, queues: null }, jobIds);
      return { jobs: found.map(({ id, status }) => ({ jobId: id, status })) };
    });
    this.bus.respond(jobsRpc.usage, async ({ organizationId }) => {
      const [tally] = await this.database.transaction([organizationId], async (transaction) => [
        ...(await readCounts(transaction, [organizationId])).values(),
      ]);
      const { queueNames, ...counts } = tally!.counts;
      return { ...counts, queues: queueNames.size };
    });
    this.bus.respond(jobsRpc.completionWebhookOrganizations, async ({ after, limit }) => ({
      organizations: await this.completionWebhooks.organizations(after, limit),
    }));
    this.bus.respond(jobsRpc.completionWebhooks, async ({ organizationId, jobIds }) => ({
      webhooks: await this.completionWebhooks.ofJobs(organizationId, jobIds),
    }));
    this.bus.respond(jobsRpc.health, async () => ({ database: await this.database.ping() }));
  }
}

/** How an error crosses the bus inside an answer. */
function failureOf({ code, message, extra, retryAfterSecs }: AppError) {
  return { code, message, extra, retryAfterSecs };
}
