import { Injectable, type OnModuleInit } from '@nestjs/common';
import { jobsRpc } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database } from '@spooled/postgres';
import { LeaseReaper } from '../maintenance/lease-reaper.js';
import { QueueRepository } from '../queues/store/queue.repository.js';
import { JobRepository } from './store/job.repository.js';

/** Edge, bus: what other services ask of this one. */
@Injectable()
export class JobsResponder implements OnModuleInit {
  constructor(
    private readonly bus: Bus,
    private readonly jobs: JobRepository,
    private readonly queues: QueueRepository,
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
    this.bus.respond(jobsRpc.releaseWorker, async ({ organizationId, workerId, cause }) => ({
      released: await this.reaper.releaseWorker(organizationId, workerId, cause),
    }));
    this.bus.respond(jobsRpc.health, async () => ({ database: await this.database.ping() }));
  }
}
