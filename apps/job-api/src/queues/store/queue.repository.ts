import { Inject, Injectable } from '@nestjs/common';
import type { Queue, QueueConfig, QueueCounters, QueueSummary } from '@spooled/contracts';
import { Database } from '@spooled/postgres';
import { JOB_API_CONFIG, type JobApiConfig } from '../../config.js';
import * as queueSql from './queue.sql.js';

export interface QueueActivity {
  readonly completed: number;
  readonly deadletter: number;
  readonly averageMs: number | null;
  readonly oldestSecs: number | null;
}

/** Configurations and counts of queues. */
@Injectable()
export class QueueRepository {
  constructor(
    private readonly database: Database,
    @Inject(JOB_API_CONFIG) private readonly config: JobApiConfig,
  ) {}

  /** Names in `queues` only; null = all. */
  async list(organizationId: string, queues: readonly string[] | null): Promise<QueueSummary[]> {
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
    }));
  }

  async read(organizationId: string, queueName: string): Promise<Queue | undefined> {
    const [row] = await this.database.query<QueueRow>([organizationId], queueSql.read, [
      organizationId,
      queueName,
    ]);
    return row === undefined ? undefined : toQueue(row);
  }

  async configure(organizationId: string, queueName: string, config: QueueConfig): Promise<Queue> {
    const [row] = await this.database.query<QueueRow>([organizationId], queueSql.configure, [
      organizationId,
      queueName,
      config.max_retries ?? null,
      config.default_timeout ?? null,
      config.rate_limit ?? null,
      config.enabled ?? null,
      config.settings == null ? null : JSON.stringify(config.settings),
      this.config.QUEUE_DEFAULT_MAX_RETRIES,
      this.config.QUEUE_DEFAULT_TIMEOUT_SECS,
    ]);
    return toQueue(row!);
  }

  async pause(organizationId: string, queueName: string, reason: string | null): Promise<Date> {
    const [row] = await this.database.query<{ paused_at: Date }>([organizationId], queueSql.pause, [
      organizationId,
      queueName,
      reason,
      this.config.QUEUE_DEFAULT_MAX_RETRIES,
      this.config.QUEUE_DEFAULT_TIMEOUT_SECS,
    ]);
    return row!.paused_at;
  }

  /** Seconds it was paused, 0 when it was not; undefined when there is no configuration. */
  async resume(organizationId: string, queueName: string): Promise<number | undefined> {
    const [row] = await this.database.query<{ paused_secs: number | null }>(
      [organizationId],
      queueSql.resume,
      [organizationId, queueName],
    );
    return row === undefined ? undefined : (row.paused_secs ?? 0);
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

interface ListRow {
  readonly queue_name: string;
  readonly max_retries: number | null;
  readonly default_timeout: number | null;
  readonly rate_limit: number | null;
  readonly enabled: boolean | null;
}
interface QueueRow {
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
interface ActivityRow {
  readonly completed: number;
  readonly deadletter: number;
  readonly average_ms: number | null;
  readonly oldest_secs: number | null;
}

function toQueue(row: QueueRow): Queue {
  return {
    ...row,
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
