import { Injectable } from '@nestjs/common';
import {
  isUuid,
  type DependencyMode,
  type Job,
  type JobStatus,
  type JobSummary,
  type PlanLimits,
} from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import { Database, type Transaction } from '@spooled/postgres';
import { EventsByOrganization, QueuesByOrganization } from '../by-organization.js';
import { retryByIds } from '../../dead-letters/store/dead-letter.sql.js';
import { statusChanged } from '../domain/job-events.js';
import { limitsJobs } from '../../quotas/domain/tally.js';
import { holdCounts } from '../../quotas/quotas.js';
import { WorkflowProgress } from '../../workflows/store/workflow-progress.js';
import { JobMetrics } from '../job-metrics.js';
import { WorkSignal } from '../work-signal.js';
import { Children } from './children.js';
import * as jobSql from './job.sql.js';
import { QueueHeads } from './queue-heads.js';

/** Whose jobs, and which queues of theirs: null = all. */
export interface Scope {
  readonly organizationId: string;
  readonly queues: readonly string[] | null;
}

/** Writes down, in the transaction that does it, what was done to so many jobs. */
export type Witness = (transaction: Transaction, jobs: number) => void;

export interface JobDetail extends Job {
  readonly progress: {
    readonly percent: number;
    readonly message: string | null;
    readonly updated_at: string;
  } | null;
}

/** Reads jobs, and moves single ones on behalf of their producers and operators. */
@Injectable()
export class JobRepository {
  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
    private readonly work: WorkSignal,
    private readonly children: Children,
    private readonly workflows: WorkflowProgress,
    private readonly metrics: JobMetrics,
    private readonly heads: QueueHeads,
  ) {}

  async read(scope: Scope, jobId: string): Promise<JobDetail | undefined> {
    if (!isUuid(jobId)) return undefined;
    const [row] = await this.#query<DetailRow>(scope, jobSql.read, [jobId]);
    return row === undefined ? undefined : toJob(row);
  }

  async statuses(scope: Scope, ids: readonly string[]): Promise<JobSummary[]> {
    const rows = await this.#query<SummaryRow>(scope, jobSql.statuses, [ids.filter(isUuid)]);
    return rows.map(toSummary);
  }

  async snapshot(
    organizationId: string,
    jobId: string,
  ): Promise<{ queueName: string; status: JobStatus; rev: number } | null> {
    if (!isUuid(jobId)) return null;
    const [row] = await this.database.query<{ queue_name: string; status: JobStatus; rev: number }>(
      [organizationId],
      jobSql.snapshot,
      [organizationId, jobId],
    );
    if (row === undefined) return null;
    return { queueName: row.queue_name, status: row.status, rev: row.rev };
  }

  /** How many of the jobs were pending or scheduled and are cancelled now. */
  async cancel(scope: Scope, jobIds: readonly string[], witness?: Witness): Promise<number> {
    return this.database.transaction([scope.organizationId], async (transaction) => {
      const rows = await transaction.query<MovedRow>(jobSql.cancel, scoped(scope, [jobIds]));
      if (rows.length === 0) return 0;
      const events = new EventsByOrganization();
      for (const row of rows) {
        events.add(scope.organizationId, statusChanged(moved(row), row.status, 'cancelled'));
      }
      const isParent = await this.children.among(transaction, rows);
      await this.children.cancel(transaction, rows.filter(isParent), events);
      this.workflows.touch(transaction, rows);
      this.eventLog.append(transaction, events.entries());
      witness?.(transaction, rows.length);
      transaction.afterCommit(() => this.metrics.cancelled.inc(rows.length));
      return rows.length;
    });
  }

  /**
   * Whether the job was failed or a dead letter and is pending now.
   * @throws AppError `QUOTA_EXCEEDED` when the plan has no room for one more active job
   */
  async retry(scope: Scope, jobId: string, plan: PlanLimits): Promise<boolean> {
    const { organizationId } = scope;
    return this.database.transaction([organizationId], async (transaction) => {
      const tally = limitsJobs(plan)
        ? (await holdCounts(transaction, [organizationId])).get(organizationId)
        : undefined;
      const values = scoped(scope, [[jobId]]);
      const [row] = await transaction.query<MovedRow>(retryByIds, values);
      if (row === undefined) return false;
      const refusal = tally?.add(plan, { revivedJobs: 1 }) ?? null;
      if (refusal !== null) throw refusal;
      this.workflows.touch(transaction, [row]);
      const events = new EventsByOrganization();
      events.add(scope.organizationId, statusChanged(moved(row), row.status, 'pending'));
      this.eventLog.append(transaction, events.entries());
      const ready = new QueuesByOrganization();
      ready.add(scope.organizationId, row.queue_name);
      transaction.afterCommit(() => this.work.announce(ready));
      return true;
    });
  }

  /** The old priorities of those of the jobs that are pending or scheduled. */
  async setPriority(
    { organizationId, queues }: Scope,
    jobIds: readonly string[],
    priority: number,
    witness?: Witness,
  ): Promise<number[]> {
    return this.database.transaction([organizationId], async (transaction) => {
      const rows = await transaction.query<{ old_priority: number; queue_name: string }>(
        jobSql.setPriority,
        [organizationId, queues, jobIds, priority],
      );
      if (rows.length > 0) witness?.(transaction, rows.length);
      transaction.afterCommit(() => {
        for (const { queue_name } of rows) this.heads.forget(organizationId, queue_name);
      });
      return rows.map(({ old_priority }) => old_priority);
    });
  }

  async readLog(
    organizationId: string,
    jobId: string,
    page: { limit: number; offset: number },
  ): Promise<{ line: string; logged_at: string }[]> {
    const rows = await this.database.query<{ line: string; logged_at: Date }>(
      [organizationId],
      jobSql.readLog,
      [organizationId, jobId, page.limit, page.offset],
    );
    return rows.map(({ line, logged_at }) => ({ line, logged_at: logged_at.toISOString() }));
  }

  #query<R>(
    scope: Scope,
    statement: (typeof jobSql)['read'],
    values: readonly unknown[],
  ): Promise<R[]> {
    return this.database.query<R>([scope.organizationId], statement, scoped(scope, values));
  }
}

interface MovedRow {
  readonly organization_id: string;
  readonly id: string;
  readonly queue_name: string;
  readonly status: JobStatus;
  readonly rev: number;
  readonly workflow_id: string | null;
  readonly at: Date;
}

export interface SummaryRow {
  readonly id: string;
  readonly queue_name: string;
  readonly status: JobStatus;
  readonly priority: number;
  readonly retry_count: number;
  readonly max_retries: number;
  readonly created_at: Date;
  readonly scheduled_at: Date | null;
  readonly started_at: Date | null;
  readonly completed_at: Date | null;
  readonly last_error: string | null;
  readonly updated_at: Date;
  readonly job_type: string | null;
}

interface DetailRow extends SummaryRow {
  readonly organization_id: string;
  readonly payload: unknown;
  readonly result: unknown;
  readonly expires_at: Date | null;
  readonly tags: unknown;
  readonly timeout_seconds: number;
  readonly parent_job_id: string | null;
  readonly completion_webhook: string | null;
  readonly worker_id: string | null;
  readonly lease_id: string | null;
  readonly lease_expires_at: Date | null;
  readonly idempotency_key: string | null;
  readonly workflow_id: string | null;
  readonly dependency_mode: DependencyMode | null;
  readonly dependencies_met: boolean;
  readonly percent: number | null;
  readonly message: string | null;
  readonly progress_at: Date | null;
}

function scoped({ organizationId, queues }: Scope, values: readonly unknown[]): unknown[] {
  return [organizationId, queues, ...values];
}

function moved({ organization_id, id, queue_name, rev, at }: MovedRow) {
  return { organizationId: organization_id, jobId: id, queueName: queue_name, rev, at };
}

export function toSummary(row: SummaryRow): JobSummary {
  return {
    id: row.id,
    queue_name: row.queue_name,
    status: row.status,
    priority: row.priority,
    retry_count: row.retry_count,
    attempt: row.retry_count,
    max_retries: row.max_retries,
    job_type: row.job_type ?? '',
    last_error: row.last_error,
    created_at: row.created_at.toISOString(),
    scheduled_at: wire(row.scheduled_at),
    started_at: wire(row.started_at),
    completed_at: wire(row.completed_at),
  };
}

function toJob(row: DetailRow): JobDetail {
  return {
    id: row.id,
    organization_id: row.organization_id,
    queue_name: row.queue_name,
    status: row.status,
    payload: row.payload,
    result: row.result,
    retry_count: row.retry_count,
    max_retries: row.max_retries,
    last_error: row.last_error,
    created_at: row.created_at.toISOString(),
    scheduled_at: wire(row.scheduled_at),
    started_at: wire(row.started_at),
    completed_at: wire(row.completed_at),
    expires_at: wire(row.expires_at),
    priority: row.priority,
    tags: row.tags,
    timeout_seconds: row.timeout_seconds,
    parent_job_id: row.parent_job_id,
    completion_webhook: row.completion_webhook,
    assigned_worker_id: row.worker_id,
    lease_id: row.lease_id,
    lease_expires_at: wire(row.lease_expires_at),
    idempotency_key: row.idempotency_key,
    updated_at: row.updated_at.toISOString(),
    workflow_id: row.workflow_id,
    dependency_mode: row.dependency_mode,
    dependencies_met: row.dependencies_met,
    progress:
      row.percent === null
        ? null
        : {
            percent: row.percent,
            message: row.message,
            updated_at: row.progress_at!.toISOString(),
          },
  };
}

function wire(at: Date | null): string | null {
  return at === null ? null : at.toISOString();
}
