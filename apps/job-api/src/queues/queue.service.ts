import { Inject, Injectable } from '@nestjs/common';
import { Plans } from '@spooled/access';
import { keyActor } from '@spooled/audit';
import {
  AppError,
  canUseQueue,
  isUnrestricted,
  queueChanged,
  queueName as queueNameSchema,
  workersRpc,
  type ListedQueue,
  type Principal,
  type Queue,
  type QueueConfig,
  type QueueCounters,
  type QueueStats,
} from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { JOB_API_CONFIG, type JobApiConfig } from '../config.js';
import { QueuesByOrganization } from '../jobs/by-organization.js';
import { WorkSignal } from '../jobs/work-signal.js';
import { QueueRemoval } from './store/queue-removal.js';
import { QueueRepository, type QueueTraces } from './store/queue.repository.js';

/** Use cases of whoever runs queues: look, configure, pause, resume, delete. */
@Injectable()
export class QueueService {
  constructor(
    private readonly queues: QueueRepository,
    private readonly removal: QueueRemoval,
    private readonly plans: Plans,
    private readonly work: WorkSignal,
    private readonly bus: Bus,
    @Inject(JOB_API_CONFIG) private readonly config: JobApiConfig,
  ) {}

  async list(caller: Principal): Promise<ListedQueue[]> {
    const { organizationId } = caller;
    const queues = isUnrestricted(caller) ? null : caller.queues;
    const listed = await this.queues.list(organizationId, queues);
    const names = listed.map(({ queue_name }) => queue_name);
    const counters = await this.queues.counters(organizationId, names);
    const byName = new Map(counters.map((each) => [each.queueName, each]));
    return listed.map((queue) => ({ ...queue, counts: countsOf(byName.get(queue.queue_name)!) }));
  }

  /** @throws AppError `VALIDATION_ERROR`, `ACCESS_DENIED`, `NOT_FOUND` */
  async read(caller: Principal, queueName: string): Promise<Queue> {
    checkQueue(caller, queueName);
    return (
      (await this.queues.read(caller.organizationId, queueName)) ??
      (await this.#implicit(caller.organizationId, queueName))
    );
  }

  /** @throws AppError `VALIDATION_ERROR`, `ACCESS_DENIED`, `QUOTA_EXCEEDED`, `FEATURE_DISABLED` */
  async configure(caller: Principal, queueName: string, config: QueueConfig): Promise<Queue> {
    checkQueue(caller, queueName);
    const { organizationId, plan } = caller;
    const queue = await this.queues.configure(organizationId, plan, queueName, config);
    this.#announce(caller.organizationId, queueName, queue.enabled);
    return queue;
  }

  /** @throws AppError `VALIDATION_ERROR`, `ACCESS_DENIED` */
  async stats(caller: Principal, queueName: string): Promise<QueueStats> {
    checkQueue(caller, queueName);
    const { organizationId } = caller;
    const [counters, activity, workers] = await Promise.all([
      this.queues.counters(organizationId, [queueName]),
      this.queues.activity(organizationId, queueName),
      this.#activeWorkers(organizationId, queueName),
    ]);
    const { pending, processing } = counters[0]!;
    return {
      queue_name: queueName,
      pending_jobs: pending,
      processing_jobs: processing,
      completed_jobs_24h: activity.completed,
      failed_jobs_24h: activity.deadletter,
      avg_processing_time_ms: activity.averageMs,
      max_job_age_seconds: activity.oldestSecs,
      active_workers: workers,
    };
  }

  /** @throws AppError `VALIDATION_ERROR`, `ACCESS_DENIED`, `NOT_FOUND` for a queue that neither is configured nor has jobs */
  async pause(caller: Principal, queueName: string, reason: string | null) {
    checkQueue(caller, queueName);
    const { organizationId, plan } = caller;
    const pausedAt = await this.queues.pause(organizationId, plan, queueName, reason);
    if (pausedAt === undefined) throw unknownQueue();
    this.#announce(caller.organizationId, queueName, false);
    return {
      queue_name: queueName,
      paused: true as const,
      paused_at: pausedAt.toISOString(),
      reason,
    };
  }

  /** @throws AppError `VALIDATION_ERROR`, `ACCESS_DENIED`, `NOT_FOUND` for a queue without configuration */
  async resume(caller: Principal, queueName: string) {
    checkQueue(caller, queueName);
    const pausedSecs = await this.queues.resume(caller.organizationId, queueName);
    if (pausedSecs === undefined) throw unknownQueue();
    this.#announce(caller.organizationId, queueName, true);
    return { queue_name: queueName, resumed: true as const, paused_duration_secs: pausedSecs };
  }

  /**
   * Deletes the configuration of a queue without pending or processing jobs, or everything: `deleteJobs`.
   * @throws AppError `VALIDATION_ERROR`, `ACCESS_DENIED`, `NOT_FOUND`, `CONFLICT`
   */
  async delete(caller: Principal, queueName: string, deleteJobs: boolean): Promise<void> {
    checkQueue(caller, queueName);
    const { organizationId } = caller;
    if (deleteJobs) {
      requireRemovable(await this.queues.traces(organizationId, queueName));
      await this.removal.remove(organizationId, queueName, keyActor(caller));
    } else {
      const found = await this.queues.removeIdle(organizationId, queueName, keyActor(caller));
      if (!found.isRemoved) throw notIdle(found);
    }
    this.#announce(organizationId, queueName, true);
  }

  /**
   * Remembers which queues the active schedules of an organization feed, always all of them.
   * @throws AppError `QUOTA_EXCEEDED`, `FEATURE_DISABLED`
   */
  async setScheduled(organizationId: string, queueNames: readonly string[]): Promise<void> {
    const plan = await this.plans.of(organizationId);
    // Schedules of an organization that is no more feed nothing.
    await this.queues.setScheduled(organizationId, plan, plan === null ? [] : queueNames);
  }

  /** A queue nobody configured exists while it has jobs, or a schedule that feeds it. */
  async #implicit(organizationId: string, queueName: string): Promise<Queue> {
    const { hasJobs, isScheduled } = await this.queues.traces(organizationId, queueName);
    if (!hasJobs && !isScheduled) throw unknownQueue();
    const now = new Date().toISOString();
    return {
      id: `implicit:${queueName}`,
      organization_id: organizationId,
      queue_name: queueName,
      max_retries: this.config.QUEUE_DEFAULT_MAX_RETRIES,
      default_timeout: this.config.QUEUE_DEFAULT_TIMEOUT_SECS,
      rate_limit: null,
      enabled: true,
      paused_at: null,
      pause_reason: null,
      settings: { implicit: true },
      created_at: now,
      updated_at: now,
    };
  }

  #announce(organizationId: string, queueName: string, isEnabled: boolean): void {
    this.bus.hint(queueChanged, organizationId, { queueName });
    if (!isEnabled) return;
    const ready = new QueuesByOrganization();
    ready.add(organizationId, queueName, Infinity);
    this.work.announce(ready);
  }

  /** A part of the answer that another service knows; without it the rest is still worth having. */
  async #activeWorkers(organizationId: string, queueName: string): Promise<number> {
    try {
      return (await this.bus.request(workersRpc.active, { organizationId, queueName })).healthy;
    } catch (error) {
      if (error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE') return 0;
      throw error;
    }
  }
}

function checkQueue(caller: Principal, queueName: string): void {
  const checked = queueNameSchema.safeParse(queueName);
  if (!checked.success) {
    throw AppError.invalid('queue_name', checked.error.issues[0]!.message);
  }
  if (!canUseQueue(caller, queueName)) {
    throw new AppError('ACCESS_DENIED', `This key may not use the queue ${queueName}.`);
  }
}

/** @throws AppError `NOT_FOUND`, `CONFLICT` when there is nothing of it that could be deleted here */
function requireRemovable({ isConfigured, hasJobs, isScheduled }: QueueTraces): void {
  if (isConfigured || hasJobs) return;
  if (!isScheduled) throw unknownQueue();
  const message = 'An active schedule feeds this queue: pause or delete the schedule.';
  throw new AppError('CONFLICT', message);
}

/** Why a configuration was not deleted. */
function notIdle(found: QueueTraces & { readonly isBusy: boolean }): AppError {
  if (found.isConfigured && found.isBusy) {
    const message = 'The queue has pending or processing jobs; delete_jobs=true deletes them too.';
    return new AppError('CONFLICT', message);
  }
  if (!found.hasJobs && !found.isScheduled) return unknownQueue();
  const message = 'The queue has no configuration to delete; delete_jobs=true deletes its jobs.';
  return new AppError('CONFLICT', message);
}

function unknownQueue(): AppError {
  return new AppError('NOT_FOUND', 'Queue not found');
}

function countsOf({
  pending,
  scheduled,
  processing,
  completed,
  deadletter,
}: QueueCounters): ListedQueue['counts'] {
  return { pending: pending + scheduled, processing, completed, scheduled, deadletter };
}
