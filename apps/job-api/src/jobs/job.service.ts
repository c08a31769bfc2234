import { Injectable } from '@nestjs/common';
import {
  AppError,
  isUnrestricted,
  isUuid,
  type BatchStatus,
  type JobStats,
  type JobStatus,
  type JobSummary,
  type ListQuery,
  type Principal,
} from '@spooled/contracts';
import { QueueRepository } from '../queues/store/queue.repository.js';
import { pageOf, type Page } from './page.js';
import { requireQueue } from './require-queue.js';
import { JobLists } from './store/job-lists.js';
import { JobRepository, type JobDetail, type Scope } from './store/job.repository.js';
import { ReadyRepository } from './store/ready.repository.js';

const MAX_STATUS_IDS = 100;
/** A job that is on its way from one waiting table to the other may be missed by a statement, not by the next. */
const MAX_TRIES = 5;

/** Use cases of whoever looks after jobs: read, list, cancel, retry, reorder. */
@Injectable()
export class JobService {
  constructor(
    private readonly jobs: JobRepository,
    private readonly queues: QueueRepository,
    private readonly ready: ReadyRepository,
    private readonly lists: JobLists,
  ) {}

  /** @throws AppError `NOT_FOUND` */
  async read(caller: Principal, jobId: string): Promise<JobDetail> {
    const job = await this.find(caller, jobId);
    if (job === undefined) throw unknownJob();
    return job;
  }

  /** Undefined when there is none that the caller may see. */
  async find(caller: Principal, jobId: string): Promise<JobDetail | undefined> {
    return this.jobs.read(scopeOf(caller), jobId);
  }

  async list(caller: Principal, query: ListQuery): Promise<Page<JobSummary>> {
    const found = await this.lists.read(scopeOf(caller), { ...query, limit: query.limit + 1 });
    return pageOf(found, query.limit);
  }

  /** @throws AppError `BAD_REQUEST` above 100 ids */
  async statuses(caller: Principal, idList: string): Promise<BatchStatus[]> {
    const ids = idList
      .split(',')
      .map((id) => id.trim())
      .filter((id) => id !== '');
    if (ids.length > MAX_STATUS_IDS) {
      throw new AppError('BAD_REQUEST', `At most ${MAX_STATUS_IDS} ids can be asked for at once.`);
    }
    if (ids.length === 0) return [];
    const found = await this.jobs.statuses(scopeOf(caller), ids);
    return found.map(toBatchStatus);
  }

  async stats(caller: Principal, queueName: string | undefined): Promise<JobStats> {
    const scope = scopeOf(caller);
    const names = queueName === undefined ? scope.queues : [queueName];
    const isHidden = queueName !== undefined && scope.queues?.includes(queueName) === false;
    const counters = isHidden ? [] : await this.queues.counters(caller.organizationId, names);
    const sum = (pick: (counter: (typeof counters)[number]) => number): number =>
      counters.reduce((total, counter) => total + pick(counter), 0);
    const stats = {
      pending: sum(({ pending }) => pending),
      scheduled: sum(({ scheduled }) => scheduled),
      processing: sum(({ processing }) => processing),
      completed: sum(({ completed }) => completed),
      failed: 0,
      deadletter: sum(({ deadletter }) => deadletter),
      cancelled: sum(({ cancelled }) => cancelled),
    };
    return { ...stats, total: Object.values(stats).reduce((a, b) => a + b, 0) };
  }

  /** Counts of one queue, and the age of its oldest pending job in milliseconds. @throws AppError `ACCESS_DENIED` */
  async queueStats(
    caller: Principal,
    queueName: string,
  ): Promise<JobStats & { readonly max_age_ms: number }> {
    requireQueue(caller, queueName);
    const [stats, ageMs] = await Promise.all([
      this.stats(caller, queueName),
      this.ready.oldestPendingAgeMs(caller.organizationId, queueName),
    ]);
    return { ...stats, max_age_ms: ageMs };
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT` when it has begun or ended */
  async cancel(caller: Principal, jobId: string): Promise<void> {
    const scope = scopeOf(caller);
    for (let attempt = 1; ; attempt += 1) {
      if (isUuid(jobId) && (await this.jobs.cancel(scope, [jobId])) > 0) return;
      const { status } = await this.read(caller, jobId);
      if (hasNotBegun(status) && attempt < MAX_TRIES) continue;
      throw new AppError('CONFLICT', `A job that is ${status} cannot be cancelled.`);
    }
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT` when it is not failed or a dead letter, `QUOTA_EXCEEDED` */
  async retry(caller: Principal, jobId: string): Promise<JobDetail> {
    const scope = scopeOf(caller);
    const isRetried = isUuid(jobId) && (await this.jobs.retry(scope, jobId, caller.plan));
    const job = await this.read(caller, jobId);
    if (isRetried) return job;
    throw new AppError('CONFLICT', `A job that is ${job.status} cannot be retried.`);
  }

  /** @throws AppError `NOT_FOUND` when it is unknown, has begun or ended */
  async setPriority(caller: Principal, jobId: string, priority: number) {
    const scope = scopeOf(caller);
    for (let attempt = 1; ; attempt += 1) {
      const [oldPriority] = isUuid(jobId)
        ? await this.jobs.setPriority(scope, [jobId], priority)
        : [];
      if (oldPriority !== undefined) {
        return { job_id: jobId, old_priority: oldPriority, new_priority: priority };
      }
      const { status } = await this.read(caller, jobId);
      if (!hasNotBegun(status) || attempt === MAX_TRIES) throw unknownJob();
    }
  }

  /** @throws AppError `NOT_FOUND` */
  async logs(caller: Principal, jobId: string, page: { limit: number; offset: number }) {
    const { id, organization_id } = await this.read(caller, jobId);
    return this.jobs.readLog(organization_id, id, page);
  }
}

function toBatchStatus(summary: JobSummary): BatchStatus {
  const { priority: _, scheduled_at: __, job_type: ___, last_error: ____, ...status } = summary;
  return status;
}

function hasNotBegun(status: JobStatus): boolean {
  return status === 'pending' || status === 'scheduled';
}

export function scopeOf(caller: Principal): Scope {
  const queues = isUnrestricted(caller) ? null : caller.queues;
  return { organizationId: caller.organizationId, queues };
}

export function unknownJob(): AppError {
  return new AppError('NOT_FOUND', 'Job not found');
}
