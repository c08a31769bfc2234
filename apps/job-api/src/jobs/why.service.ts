import { Injectable } from '@nestjs/common';
import { AppError, workersRpc, type Principal, type Why } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { explain, type QueueFacts } from './domain/why.js';
import { scopeOf, unknownJob } from './job.service.js';
import { WhyRepository } from './store/why.repository.js';

/** Answers whoever asks why a job is not running. */
@Injectable()
export class WhyService {
  constructor(
    private readonly jobs: WhyRepository,
    private readonly bus: Bus,
  ) {}

  /** @throws AppError `NOT_FOUND` */
  async explain(caller: Principal, jobId: string): Promise<Why> {
    const stored = await this.jobs.read(scopeOf(caller), jobId);
    if (stored === undefined) throw unknownJob();
    const { job, dependencies, queue } = stored;
    // A pause is reason enough: nobody needs to be asked then.
    const isAsked = queue !== null && !job.isQueuePaused;
    const workers = isAsked ? await this.#workers(caller.organizationId, job.queueName) : null;
    return explain({ job, dependencies, queue: isAsked ? { ...queue, workers } : null });
  }

  /** Null when who knows them gives no answer: the rest is still worth having. */
  async #workers(organizationId: string, queueName: string): Promise<QueueFacts['workers']> {
    try {
      const seen = await this.bus.request(workersRpc.presence, { organizationId, queueName });
      const lastSeenAt = seen.lastSeenAt === null ? null : new Date(seen.lastSeenAt);
      return { healthy: seen.healthy, lastSeenAt };
    } catch (error) {
      if (error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE') return null;
      throw error;
    }
  }
}
