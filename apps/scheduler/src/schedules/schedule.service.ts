import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import {
  AppError,
  canUseQueue,
  isUuid,
  quotaRefusal,
  requirePayloadFits,
  schedulesRpc,
  type CreatedSchedule,
  type CreateScheduleRequest,
  type Principal,
  type Schedule,
  type UpdateScheduleRequest,
} from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database, type Transaction } from '@spooled/postgres';
import { v7 as uuidv7 } from 'uuid';
import { SCHEDULER_CONFIG, type SchedulerConfig } from '../config.js';
import { DueFirer } from '../maintenance/due-firer.js';
import {
  defined,
  isRetimed,
  revised,
  toWire,
  unknownSchedule,
  type ScheduleRow,
} from './domain/schedule.js';
import { ScheduledQueues } from './scheduled-queues.js';
import { ScheduleRepository, type Usage } from './store/schedule.repository.js';
import { timetable } from './timetable.js';

/** What the owner of schedules does with them. */
@Injectable()
export class ScheduleService implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly schedules: ScheduleRepository,
    private readonly queues: ScheduledQueues,
    private readonly firer: DueFirer,
    private readonly bus: Bus,
    @Inject(SCHEDULER_CONFIG) private readonly config: SchedulerConfig,
  ) {}

  onModuleInit(): void {
    this.bus.respond(schedulesRpc.usage, async ({ organizationId }) => ({
      schedules: await this.schedules.countActive(organizationId),
    }));
    this.bus.respond(schedulesRpc.forgetOrganization, async ({ organizationId }) => ({
      isDone: await this.schedules.forget(organizationId),
    }));
  }

  /** @throws AppError `PAYLOAD_TOO_LARGE` when the payloads do not fit into one answer */
  async list(
    { organizationId, queues }: Principal,
    limit: number,
    offset: number,
  ): Promise<Schedule[]> {
    const rows = await this.schedules.list(organizationId, queues, limit, offset);
    return rows.map((row) => this.#toWire(row));
  }

  /** @throws AppError `NOT_FOUND` */
  async get(caller: Principal, id: string): Promise<Schedule> {
    const row = isUuid(id) ? await this.schedules.find(caller.organizationId, id) : null;
    return this.#toWire(visible(caller, row));
  }

  /**
   * @throws AppError `ACCESS_DENIED` for a queue out of scope, `VALIDATION_ERROR`, `PAYLOAD_TOO_LARGE`, `QUOTA_EXCEEDED`
   * or `FEATURE_DISABLED` when the plan has no room for the schedule or its queue
   */
  async create(caller: Principal, request: CreateScheduleRequest): Promise<CreatedSchedule> {
    if (!canUseQueue(caller, request.queue_name)) {
      throw new AppError('ACCESS_DENIED', `This key may not use the queue ${request.queue_name}.`);
    }
    const definition = defined(request);
    const times = timetable(definition.cronExpression, definition.timezone);
    requirePayloadFits(caller.plan, JSON.stringify(definition.payloadTemplate));
    const { organizationId } = caller;
    const row = await this.database.transaction([organizationId], async (tx) => {
      const usage = await this.schedules.lockUsage(tx, organizationId);
      const nextRunAt = times.nextAfter(usage.now);
      await this.#charge(tx, caller, usage, definition.queueName);
      return this.schedules.insert(tx, organizationId, uuidv7(), definition, nextRunAt);
    });
    this.firer.expect(row.next_run_at);
    const { id, name, cron_expression, next_run_at } = this.#toWire(row);
    return { id, name, cron_expression, next_run_at };
  }

  /** @throws AppError as `create`, and `NOT_FOUND` */
  async update(caller: Principal, id: string, request: UpdateScheduleRequest): Promise<Schedule> {
    if (request.payload_template !== undefined) {
      requirePayloadFits(caller.plan, JSON.stringify(request.payload_template));
    }
    return this.#change(caller, id, request.is_active ?? null, async (tx, row, isActive) => {
      const definition = revised(row, request);
      const isResumed = isActive && !row.is_active;
      const nextRunAt =
        isResumed || isRetimed(row, definition)
          ? timetable(definition.cronExpression, definition.timezone).nextAfter(row.now)
          : row.next_run_at;
      return this.schedules.revise(tx, row, definition, nextRunAt, isActive);
    });
  }

  /** @throws AppError `NOT_FOUND` */
  async pause(caller: Principal, id: string): Promise<Schedule> {
    return this.#change(caller, id, false, async (tx, row) =>
      row.is_active ? this.schedules.setActive(tx, row, false, row.next_run_at) : row,
    );
  }

  /** @throws AppError `NOT_FOUND`, `QUOTA_EXCEEDED` or `FEATURE_DISABLED` as `create` */
  async resume(caller: Principal, id: string): Promise<Schedule> {
    return this.#change(caller, id, true, async (tx, row) => {
      if (row.is_active) return row;
      const nextRunAt = timetable(row.cron_expression, row.timezone).nextAfter(row.now);
      return this.schedules.setActive(tx, row, true, nextRunAt);
    });
  }

  /** @throws AppError `NOT_FOUND` */
  async delete(caller: Principal, id: string): Promise<void> {
    if (!isUuid(id)) throw unknownSchedule();
    const { organizationId } = caller;
    const wasActive = await this.database.transaction([organizationId], async (tx) => {
      const row = visible(caller, await this.schedules.lock(tx, organizationId, id));
      await this.schedules.remove(tx, row);
      return row.is_active;
    });
    if (wasActive) await this.queues.tryTell(organizationId);
  }

  /** Changes a schedule that is locked. `toBeActive` null: as it is. Becoming active is charged like a new one. */
  async #change(
    caller: Principal,
    id: string,
    toBeActive: boolean | null,
    change: (
      tx: Transaction,
      row: ScheduleRow & { readonly now: Date },
      isActive: boolean,
    ) => Promise<ScheduleRow>,
  ): Promise<Schedule> {
    if (!isUuid(id)) throw unknownSchedule();
    const { organizationId } = caller;
    const { before, after } = await this.database.transaction([organizationId], async (tx) => {
      // Before the row, as everywhere, so that nobody who has the one waits for the other.
      const usage = toBeActive ? await this.schedules.lockUsage(tx, organizationId) : null;
      const row = visible(caller, await this.schedules.lock(tx, organizationId, id));
      if (usage !== null && !row.is_active) {
        await this.#charge(tx, caller, usage, row.queue_name);
      }
      return { before: row, after: await change(tx, row, toBeActive ?? row.is_active) };
    });
    if (after.is_active) this.firer.expect(after.next_run_at);
    else if (before.is_active) await this.queues.tryTell(organizationId);
    return this.#toWire(after);
  }

  async #charge(
    tx: Transaction,
    { organizationId, plan }: Principal,
    usage: Usage,
    queueName: string,
  ): Promise<void> {
    const refusal = quotaRefusal(plan, 'schedules', usage.active);
    if (refusal !== null) throw refusal;
    await this.queues.claim(tx, organizationId, usage, queueName);
  }

  #toWire(row: ScheduleRow): Schedule {
    return toWire(row, {
      maxRetries: this.config.QUEUE_DEFAULT_MAX_RETRIES,
      timeoutSeconds: this.config.QUEUE_DEFAULT_TIMEOUT_SECS,
    });
  }
}

/** A schedule out of the key's scope is as unknown as none. */
function visible<R extends ScheduleRow>(caller: Principal, row: R | null): R {
  if (row === null || !canUseQueue(caller, row.queue_name)) throw unknownSchedule();
  return row;
}
