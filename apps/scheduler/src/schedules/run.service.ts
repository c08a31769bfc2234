import { Inject, Injectable } from '@nestjs/common';
import {
  AppError,
  canUseQueue,
  isUuid,
  jobsRpc,
  type JobStatus,
  type Principal,
  type ScheduleRun,
  type TriggeredSchedule,
} from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { SCHEDULER_CONFIG, type SchedulerConfig } from '../config.js';
import { toWire, type RunRow } from './domain/run.js';
import { unknownSchedule, type ScheduleRow } from './domain/schedule.js';
import { triggeredRunId } from './run-id.js';
import { RunSender } from './run-sender.js';
import { RunRepository } from './store/run.repository.js';
import { ScheduleRepository } from './store/schedule.repository.js';

/** The runs of a schedule: begin one by hand, look at those there were. */
@Injectable()
export class RunService {
  constructor(
    private readonly schedules: ScheduleRepository,
    private readonly runs: RunRepository,
    private readonly sender: RunSender,
    private readonly bus: Bus,
    @Inject(SCHEDULER_CONFIG) private readonly config: SchedulerConfig,
  ) {}

  /**
   * Enqueues the job of a schedule now; when it fires next stays as it is.
   * @throws AppError `NOT_FOUND`, `ACCESS_DENIED` for a queue out of scope, and what job-api refuses with
   */
  async trigger(caller: Principal, id: string): Promise<TriggeredSchedule> {
    const { organizationId } = caller;
    const schedule = await this.#find(organizationId, id);
    if (!canUseQueue(caller, schedule.queue_name)) {
      throw new AppError('ACCESS_DENIED', `This key may not use the queue ${schedule.queue_name}.`);
    }
    const run = { organizationId, id: triggeredRunId(), scheduleId: id };
    const startedAt = await this.runs.trigger(run, this.config.SCHEDULE_RESEND_AFTER_SECS);
    if (startedAt === null) throw unknownSchedule();
    await this.sender.sendNow(run, schedule);
    const triggeredAt = startedAt.toISOString();
    return { job_id: run.id, triggered_at: triggeredAt, scheduled_at: triggeredAt };
  }

  /** Newest first. @throws AppError `NOT_FOUND` */
  async history(
    caller: Principal,
    id: string,
    limit: number,
    offset: number,
  ): Promise<ScheduleRun[]> {
    const { organizationId } = caller;
    const { queue_name } = await this.#find(organizationId, id);
    if (!canUseQueue(caller, queue_name)) throw unknownSchedule();
    const rows = await this.runs.history(organizationId, id, limit, offset);
    const statuses = await this.#statuses(organizationId, rows);
    return rows.map((row) => toWire(row, statuses.get(row.id) ?? null));
  }

  async #find(organizationId: string, id: string): Promise<ScheduleRow> {
    const row = isUuid(id) ? await this.schedules.find(organizationId, id) : null;
    if (row === null) throw unknownSchedule();
    return row;
  }

  /** A part of the answer that another service knows; without it the rest is still worth having. */
  async #statuses(
    organizationId: string,
    rows: readonly RunRow[],
  ): Promise<ReadonlyMap<string, JobStatus>> {
    if (rows.length === 0) return new Map();
    try {
      const jobIds = rows.map(({ id }) => id);
      const { jobs } = await this.bus.request(jobsRpc.statuses, { organizationId, jobIds });
      return new Map(jobs.map(({ jobId, status }) => [jobId, status]));
    } catch (error) {
      if (error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE') return new Map();
      throw error;
    }
  }
}
