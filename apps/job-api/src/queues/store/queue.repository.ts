import { Inject, Injectable } from '@nestjs/common';
import { recordAction } from '@spooled/audit';
import {
  AppError,
  MAX_QUEUE_SETTINGS_BYTES,
  quotaRefusal,
  type AuditActor,
  type ListedQueue,
  type PlanLimits,
  type Queue,
  type QueueConfig,
  type QueueCounters,
} from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import { Database, type Transaction } from '@spooled/postgres';
import { JOB_API_CONFIG, type JobApiConfig } from '../../config.js';
import type { Tally } from '../../quotas/domain/tally.js';
import { holdCounts, readCounts } from '../../quotas/quotas.js';
import * as queueSql from './queue.sql.js';

export interface QueueActivity {
  readonly completed: number;
  readonly deadletter: number;
  readonly averageMs: number | null;
  readonly oldestSecs: number | null;
}

/** Why a queue exists, if it does. */
export interface QueueTraces {
  readonly isConfigured: boolean;
  readonly hasJobs: boolean;
  /** An active schedule feeds it. */
  readonly isScheduled: boolean;
}

/** Configurations and counts of queues. */
@Injectable()
export class QueueRepository {
  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
    @Inject(JOB_API_CONFIG) private readonly config: JobApiConfig,
  ) {}

  /** Names in `queues` only; null = all. */
  async list(
    organizationId: string,
    queues: readonly string[] | null,
  ): Promise<Omit<ListedQueue, 'counts'>[]> {
    const rows = await this.database.query<ListRow>([organizationId], queueSql.list, [
      organizationId,
      queues,
    ]);
    return rows.map((row) => ({
      queue_name: row.queue_name,
      max_retries: row.max_retries ?? this.config.QUEUE_DEFAULT_MAX_RETRIES,
      default_timeout: row.default_timeout ?? this.config.QUEUE_DEFAULT_TIMEOUT_SECS,
      rate_limit: row.rate_limit,
      enabled: row.enabled ?? true,
      paused_at: row.paused_at?.toISOString() ?? null,
      pause_reason: row.pause_reason,
    }));
  }

  async read(organizationId: string, queueName: string): Promise<Queue | undefined> {
    const [row] = await this.database.query<QueueRow>([organizationId], queueSql.read, [
      organizationId,
      queueName,
    ]);
    return row === undefined ? undefined : toQueue(row);
  }

  async traces(organizationId: string, queueName: string): Promise<QueueTraces> {
    const [row] = await this.database.query<TracesRow>([organizationId], queueSql.traces, [
      organizationId,
      queueName,
    ]);
    return toTraces(row!);
  }

  /**
   * Creates or changes a configuration; a queue that did not exist before is charged to the plan.
   * @throws AppError `QUOTA_EXCEEDED`, `FEATURE_DISABLED`; `VALIDATION_ERROR` when its settings become too large
   */
  async configure(
    organizationId: string,
    plan: PlanLimits,
    queueName: string,
    config: QueueConfig,
  ): Promise<Queue> {
    return this.database.transaction([organizationId], async (transaction) => {
      const tally = await holdQueueCount(transaction, organizationId, plan);
      const refusal = tally?.add(plan, { queueNames: [queueName] }) ?? null;
      if (refusal !== null) throw refusal;
      const pausedSecs = await this.#lockPause(transaction, organizationId, queueName);
      const [row] = await transaction.query<QueueRow>(queueSql.configure, [
        organizationId,
        queueName,
        config.max_retries ?? null,
        config.default_timeout ?? null,
        config.rate_limit ?? null,
        config.enabled ?? null,
        config.settings == null ? null : JSON.stringify(config.settings),
        this.config.QUEUE_DEFAULT_MAX_RETRIES,
        this.config.QUEUE_DEFAULT_TIMEOUT_SECS,
        config.rate_limit !== undefined,
      ]);
      const queue = toQueue(row!);
      requireSettingsFit(queue);
      if (config.rate_limit === null) {
        transaction.send(queueSql.dropPace, [organizationId, queueName]);
      }
      if (queue.enabled) this.#tellResumed(transaction, organizationId, queueName, pausedSecs);
      else if (pausedSecs === null) this.#tellPaused(transaction, organizationId, queueName, null);
      return queue;
    });
  }

  /** When it was paused; undefined when there is no such queue. */
  async pause(
    organizationId: string,
    plan: PlanLimits,
    queueName: string,
    reason: string | null,
  ): Promise<Date | undefined> {
    return this.database.transaction([organizationId], async (transaction) => {
      // A queue that has a job now and none in a moment must not become a configured one that was never charged.
      await holdQueueCount(transaction, organizationId, plan);
      const [row] = await transaction.query<PauseRow>(queueSql.pause, [
        organizationId,
        queueName,
        reason,
        this.config.QUEUE_DEFAULT_MAX_RETRIES,
        this.config.QUEUE_DEFAULT_TIMEOUT_SECS,
      ]);
      if (row?.is_first) this.#tellPaused(transaction, organizationId, queueName, reason);
      return row?.paused_at;
    });
  }

  /** Seconds it was paused, 0 when it was not; undefined when there is no configuration. */
  async resume(organizationId: string, queueName: string): Promise<number | undefined> {
    return this.database.transaction([organizationId], async (transaction) => {
      const pausedSecs = await this.#lockPause(transaction, organizationId, queueName);
      const [row] = await transaction.query<{ paused_secs: number | null }>(queueSql.resume, [
        organizationId,
        queueName,
      ]);
      if (row === undefined) return undefined;
      this.#tellResumed(transaction, organizationId, queueName, pausedSecs);
      return row.paused_secs ?? 0;
    });
  }

  /** For how many seconds it is paused; null while it is not, or has no configuration. */
  async #lockPause(
    transaction: Transaction,
    organizationId: string,
    queueName: string,
  ): Promise<number | null> {
    const [row] = await transaction.query<{ paused_secs: number | null }>(queueSql.lockPause, [
      organizationId,
      queueName,
    ]);
    return row?.paused_secs ?? null;
  }

  #tellPaused(
    transaction: Transaction,
    organizationId: string,
    queueName: string,
    reason: string | null,
  ): void {
    const data = { queue_name: queueName, reason, timestamp: new Date().toISOString() };
    this.eventLog.append(transaction, [
      { organizationId, events: [{ type: 'QueuePaused', data }] },
    ]);
  }

  #tellResumed(
    transaction: Transaction,
    organizationId: string,
    queueName: string,
    pausedSecs: number | null,
  ): void {
    if (pausedSecs === null) return;
    const timestamp = new Date().toISOString();
    const data = { queue_name: queueName, paused_duration_secs: pausedSecs, timestamp };
    this.eventLog.append(transaction, [
      { organizationId, events: [{ type: 'QueueResumed', data }] },
    ]);
  }

  /** Deletes the configuration unless jobs are pending or processing. Answers how the queue was found. */
  async removeIdle(
    organizationId: string,
    queueName: string,
    actor: AuditActor,
  ): Promise<QueueTraces & { readonly isRemoved: boolean; readonly isBusy: boolean }> {
    const values = [organizationId, queueName];
    return this.database.transaction([organizationId], async (transaction) => {
      const [row] = await transaction.query<RemovalRow>(queueSql.removeIdle, values);
      const { is_removed: isRemoved, is_busy: isBusy } = row!;
      if (isRemoved) {
        transaction.send(queueSql.dropPace, values);
        const details = { delete_jobs: false };
        recordAction(transaction, {
          organizationId,
          actor,
          action: 'queue.deleted',
          target: queueName,
          details,
        });
      }
      return { ...toTraces(row!), isRemoved, isBusy };
    });
  }

  /**
   * Makes these the queues that schedules feed. Names that were no queue before are charged to the plan (null: to none),
   * after those that are none any more were taken off.
   * @throws AppError `QUOTA_EXCEEDED`, `FEATURE_DISABLED`: nothing is changed then
   */
  async setScheduled(
    organizationId: string,
    plan: PlanLimits | null,
    queueNames: readonly string[],
  ): Promise<void> {
    await this.database.transaction([organizationId], async (transaction) => {
      const before = await holdQueueCount(transaction, organizationId, plan);
      await transaction.query(queueSql.setScheduled, [organizationId, queueNames]);
      if (plan === null || before === undefined) return;
      const known = before.counts.queueNames;
      const after = (await readCounts(transaction, [organizationId])).get(organizationId)!;
      const all = after.counts.queueNames;
      const added = [...all].filter((name) => !known.has(name)).length;
      const refusal = added === 0 ? null : quotaRefusal(plan, 'queues', all.size - added, added);
      if (refusal !== null) throw refusal;
    });
  }

  /** Counts of the named queues, or of all when null; queues that never had a job are left out of the latter. */
  async counters(
    organizationId: string,
    queueNames: readonly string[] | null,
  ): Promise<QueueCounters[]> {
    const rows = await this.database.query<CounterRow>([organizationId], queueSql.counters, [
      organizationId,
      queueNames,
    ]);
    const found = new Map(rows.map((row) => [row.queue_name, toCounters(row)]));
    const missing = (queueNames ?? []).filter((name) => !found.has(name)).map(noJobs);
    return [...found.values(), ...missing];
  }

  async activity(organizationId: string, queueName: string): Promise<QueueActivity> {
    const [row] = await this.database.query<ActivityRow>([organizationId], queueSql.activity, [
      organizationId,
      queueName,
    ]);
    const { completed, deadletter, average_ms, oldest_secs } = row!;
    return { completed, deadletter, averageMs: average_ms, oldestSecs: oldest_secs };
  }
}

interface PausedRow {
  readonly paused_at: Date | null;
  readonly pause_reason: string | null;
}
interface ListRow extends PausedRow {
  readonly queue_name: string;
  readonly max_retries: number | null;
  readonly default_timeout: number | null;
  readonly rate_limit: number | null;
  readonly enabled: boolean | null;
}
interface TracesRow {
  readonly is_configured: boolean;
  readonly has_jobs: boolean;
  readonly is_scheduled: boolean;
}
interface RemovalRow extends TracesRow {
  readonly is_removed: boolean;
  readonly is_busy: boolean;
}
interface QueueRow extends PausedRow {
  readonly id: string;
  readonly organization_id: string;
  readonly queue_name: string;
  readonly max_retries: number;
  readonly default_timeout: number;
  readonly rate_limit: number | null;
  readonly enabled: boolean;
  readonly settings: Record<string, unknown>;
  readonly created_at: Date;
  readonly updated_at: Date;
}
interface CounterRow {
  readonly queue_name: string;
  readonly pending: number;
  readonly scheduled: number;
  readonly processing: number;
  readonly completed: number;
  readonly deadletter: number;
  readonly cancelled: number;
  readonly paused: boolean;
}
interface PauseRow {
  readonly paused_at: Date;
  /** It was not paused before. */
  readonly is_first: boolean;
}
interface ActivityRow {
  readonly completed: number;
  readonly deadletter: number;
  readonly average_ms: number | null;
  readonly oldest_secs: number | null;
}

/** From here to the commit nobody else makes queues of the organization; undefined when its plan allows any number. */
async function holdQueueCount(
  transaction: Transaction,
  organizationId: string,
  plan: PlanLimits | null,
): Promise<Tally | undefined> {
  if (plan === null || plan.max_queues === null) return undefined;
  return (await holdCounts(transaction, [organizationId])).get(organizationId);
}

/** Each call brings little enough; together they may not. @throws AppError `VALIDATION_ERROR` */
function requireSettingsFit({ settings }: Queue): void {
  const { paused: _, paused_at: __, paused_reason: ___, ...given } = settings;
  if (Buffer.byteLength(JSON.stringify(given)) <= MAX_QUEUE_SETTINGS_BYTES) return;
  throw AppError.invalid('settings', `must be at most ${MAX_QUEUE_SETTINGS_BYTES} bytes together`);
}

function toTraces({ is_configured, has_jobs, is_scheduled }: TracesRow): QueueTraces {
  return { isConfigured: is_configured, hasJobs: has_jobs, isScheduled: is_scheduled };
}

function toQueue(row: QueueRow): Queue {
  return {
    ...row,
    paused_at: row.paused_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function toCounters({ queue_name, ...counts }: CounterRow): QueueCounters {
  return { queueName: queue_name, ...counts };
}

function noJobs(queueName: string): QueueCounters {
  return {
    queueName,
    pending: 0,
    scheduled: 0,
    processing: 0,
    completed: 0,
    deadletter: 0,
    cancelled: 0,
    paused: false,
  };
}
