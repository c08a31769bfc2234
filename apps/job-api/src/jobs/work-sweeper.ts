import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { JOB_API_CONFIG, type JobApiConfig } from '../config.js';
import { Loops } from '../maintenance/loops.js';
import { ReadyRepository } from './store/ready.repository.js';
import { UnsettledJobs } from './unsettled-jobs.js';
import { WorkSignal } from './work-signal.js';

/** Covers for hints that got lost, once for all who wait in this process; idle while nobody does. */
@Injectable()
export class WorkSweeper implements OnModuleInit {
  constructor(
    private readonly work: WorkSignal,
    private readonly unsettled: UnsettledJobs,
    private readonly ready: ReadyRepository,
    private readonly loops: Loops,
    @Inject(JOB_API_CONFIG) private readonly config: JobApiConfig,
  ) {}

  onModuleInit(): void {
    this.loops.add('jobs.work-sweeper', async () => {
      await this.#wakeForgotten();
      await this.#dropSettled();
      return this.config.WORK_POLL_INTERVAL_MS;
    });
  }

  async #wakeForgotten(): Promise<void> {
    const queues = this.work.waitedFor();
    if (queues.length === 0) return;
    for (const queue of await this.ready.withWork(queues)) this.work.wake(queue, Infinity);
  }

  /** Settled by another instance, or its lease ran out: this one hears of it here. */
  async #dropSettled(): Promise<void> {
    const leases = this.unsettled.blocking();
    if (leases.length === 0) return;
    for (const lease of await this.ready.over(leases)) this.unsettled.leaseOver(lease);
  }
}
