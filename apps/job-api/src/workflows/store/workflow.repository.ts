import { Injectable } from '@nestjs/common';
import {
  AppError,
  isUuid,
  type JobStatus,
  type PlanLimits,
  type Workflow,
  type WorkflowStatus,
} from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import { Database, type Transaction } from '@spooled/postgres';
import { EventsByOrganization, QueuesByOrganization } from '../../jobs/by-organization.js';
import { statusChanged } from '../../jobs/domain/job-events.js';
import { JobMetrics } from '../../jobs/job-metrics.js';
import { Children } from '../../jobs/store/children.js';
import { holdParents } from '../../jobs/store/dependency.repository.js';
import { lockGraph } from '../../jobs/store/dependency.sql.js';
import { EnqueueRepository, type NewJob } from '../../jobs/store/enqueue.repository.js';
import type { Scope } from '../../jobs/store/job.repository.js';
import { WorkSignal } from '../../jobs/work-signal.js';
import { limitsJobs } from '../../quotas/domain/tally.js';
import { holdCounts } from '../../quotas/quotas.js';
import { WorkflowProgress } from './workflow-progress.js';
import * as workflowSql from './workflow.sql.js';

export interface NewWorkflow {
  readonly organizationId: string;
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  /** JSON text. */
  readonly metadata: string | null;
  readonly jobs: readonly { readonly key: string; readonly job: NewJob }[];
  readonly dependencies: readonly { readonly child: NewJob; readonly parentId: string }[];
}

/** A job of a workflow, as stored. */
export interface MemberRow {
  readonly key: string;
  readonly id: string;
  readonly organization_id: string;
  readonly queue_name: string;
  readonly payload: unknown;
  readonly max_retries: number;
  readonly timeout_seconds: number;
  readonly tags: unknown;
  readonly parent_job_id: string | null;
  readonly created_at: Date;
  readonly status: JobStatus;
  readonly priority: number;
  readonly retry_count: number;
  readonly scheduled_at: Date | null;
  readonly started_at: Date | null;
  readonly completed_at: Date | null;
  readonly result: unknown;
  readonly last_error: string | null;
  readonly percent: number | null;
  readonly parent_ids: readonly string[];
}

interface WorkflowRow {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly status: WorkflowStatus;
  readonly total_jobs: number;
  readonly completed_jobs: number;
  readonly failed_jobs: number;
  readonly metadata: Record<string, unknown> | null;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly completed_at: Date | null;
}

/** A job may move from one state to the next between the parts of a look. */
const MAX_LOOKS = 5;
/** Of what is sent right before the commit: directly after the workflows were counted. */
const AFTER_COUNTING = 1;

interface MovedRow {
  readonly organization_id: string;
  readonly id: string;
  readonly queue_name: string;
  readonly status: JobStatus;
  readonly rev: number;
  readonly workflow_id: string;
  readonly at: Date;
}

interface RetriedRow extends MovedRow {
  readonly is_ready: boolean;
  readonly is_doomed: boolean;
}

/** Workflows and their jobs as a whole. */
@Injectable()
export class WorkflowRepository {
  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
    private readonly jobs: EnqueueRepository,
    private readonly children: Children,
    private readonly progress: WorkflowProgress,
    private readonly work: WorkSignal,
    private readonly metrics: JobMetrics,
  ) {}

  /** @throws AppError `FEATURE_DISABLED`, `QUOTA_EXCEEDED`; nothing is inserted then */
  async create(workflow: NewWorkflow, plan: PlanLimits): Promise<void> {
    const { organizationId, id } = workflow;
    const jobs = workflow.jobs.map(({ job }) => job);
    const queueNames = [...new Set(jobs.map(({ queueName }) => queueName))];
    await this.database.transaction([organizationId], async (transaction) => {
      if (plan.max_workflows !== null || limitsJobs(plan)) {
        const tally = (await holdCounts(transaction, [organizationId])).get(organizationId)!;
        const refusal = tally.add(plan, { workflows: 1, newJobs: jobs.length, queueNames });
        if (refusal !== null) throw refusal;
      }
      transaction.send(workflowSql.insertWorkflow, [
        organizationId,
        id,
        workflow.name,
        workflow.description,
        workflow.metadata,
        queueNames,
        jobs.length,
      ]);
      transaction.send(workflowSql.insertMembers, [
        organizationId,
        id,
        workflow.jobs.map(({ key }) => key),
        jobs.map((job) => job.id),
      ]);
      await this.jobs.insertIn(transaction, jobs, workflow.dependencies);
    });
  }

  async list(
    { organizationId, queues }: Scope,
    page: { status: WorkflowStatus | null; limit: number; offset: number },
  ): Promise<Workflow[]> {
    const values = [organizationId, queues, page.status, page.limit, page.offset];
    const rows = await this.database.query<WorkflowRow>([organizationId], workflowSql.list, values);
    return rows.map(toWorkflow);
  }

  async read({ organizationId, queues }: Scope, id: string): Promise<Workflow | undefined> {
    if (!isUuid(id)) return undefined;
    const values = [organizationId, queues, id];
    const [row] = await this.database.query<WorkflowRow>(
      [organizationId],
      workflowSql.read,
      values,
    );
    return row === undefined ? undefined : toWorkflow(row);
  }

  async members(organizationId: string, id: string): Promise<MemberRow[]> {
    return this.database.query<MemberRow>([organizationId], workflowSql.jobs, [organizationId, id]);
  }

  /** Undefined when it is not there. @throws AppError `CONFLICT` when it has ended */
  async cancel(scope: Scope, id: string): Promise<Workflow | undefined> {
    const { organizationId } = scope;
    return this.#change(scope, id, async (transaction) => {
      transaction.send(lockGraph, [organizationId]);
      const memberIds = await holdMembers(transaction, organizationId, id);
      const status = await readStatus(transaction, scope, id);
      if (status === undefined || status === 'cancelled') return;
      if (status === 'completed' || status === 'failed') {
        throw new AppError('CONFLICT', `A workflow that is ${status} cannot be cancelled.`);
      }
      const events = new EventsByOrganization();
      await this.#cancelJobs(transaction, organizationId, memberIds, 'workflow_cancelled', events);
      transaction.beforeCommit(
        () => transaction.send(workflowSql.markCancelled, [organizationId, id]),
        AFTER_COUNTING,
      );
      this.eventLog.append(transaction, events.entries());
    });
  }

  /**
   * Undefined when it is not there. Jobs that wait for a job outside that did not complete are cancelled again.
   * @throws AppError `VALIDATION_ERROR` unless it failed, `QUOTA_EXCEEDED`
   */
  async retry(scope: Scope, id: string, plan: PlanLimits): Promise<Workflow | undefined> {
    const { organizationId } = scope;
    const values = [organizationId, id];
    return this.#change(scope, id, async (transaction) => {
      const tally = limitsJobs(plan)
        ? (await holdCounts(transaction, [organizationId])).get(organizationId)
        : undefined;
      // Two workflows that depend on each other would hold each other's jobs.
      transaction.send(lockGraph, [organizationId]);
      requireFailed(await readStatus(transaction, scope, id));
      const outside = await transaction.query<{ id: string }>(workflowSql.outsideParents, values);
      await holdParents(
        transaction,
        organizationId,
        outside.map((parent) => parent.id),
      );
      await holdMembers(transaction, organizationId, id);
      // Again: now nobody else can bring a job of it back.
      requireFailed(await readStatus(transaction, scope, id));
      const rows = await transaction.query<RetriedRow>(workflowSql.retryJobs, values);
      const refusal = tally?.add(plan, { revivedJobs: rows.length }) ?? null;
      if (refusal !== null) throw refusal;
      const events = new EventsByOrganization();
      const ready = new QueuesByOrganization();
      for (const row of rows) {
        events.add(organizationId, statusChanged(moved(row), row.status, 'pending'));
        if (row.is_ready) ready.add(organizationId, row.queue_name);
      }
      this.progress.touch(transaction, rows);
      const doomed = rows.filter(({ is_doomed }) => is_doomed).map((row) => row.id);
      const reason = 'dependency_not_completed';
      await this.#cancelJobs(transaction, organizationId, doomed, reason, events);
      transaction.beforeCommit(
        () => transaction.send(workflowSql.markRunning, values),
        AFTER_COUNTING,
      );
      this.eventLog.append(transaction, events.entries());
      transaction.afterCommit(() => this.work.announce(ready));
    });
  }

  async #cancelJobs(
    transaction: Transaction,
    organizationId: string,
    ids: readonly string[],
    reason: string,
    events: EventsByOrganization,
  ): Promise<void> {
    if (ids.length === 0) return;
    const rows = await transaction.query<MovedRow>(workflowSql.cancelJobs, [organizationId, ids]);
    for (const row of rows) {
      events.add(organizationId, statusChanged(moved(row), row.status, 'cancelled', { reason }));
    }
    this.progress.touch(transaction, rows);
    const isParent = await this.children.among(transaction, rows);
    await this.children.cancel(transaction, rows.filter(isParent), events);
    transaction.afterCommit(() => this.metrics.cancelled.inc(rows.length));
  }

  /** Changes a workflow that is there, and answers it as it is then. */
  async #change(
    scope: Scope,
    id: string,
    change: (transaction: Transaction) => Promise<void>,
  ): Promise<Workflow | undefined> {
    if ((await this.read(scope, id)) === undefined) return undefined;
    await this.database.transaction([scope.organizationId], change);
    return this.read(scope, id);
  }
}

/**
 * Holds all jobs of a workflow, and with them its status, until commit: only they change it. The workflow itself is
 * locked at the very end, as whoever moves one of its jobs does; the other way around claims and cancels would wait for
 * each other.
 */
async function holdMembers(
  transaction: Transaction,
  organizationId: string,
  workflowId: string,
): Promise<string[]> {
  for (let look = 1; ; look += 1) {
    const rows = await transaction.query<{ id: string; is_held: boolean }>(
      workflowSql.holdMembers,
      [organizationId, workflowId],
    );
    if (look === MAX_LOOKS || rows.every(({ is_held }) => is_held)) return rows.map(({ id }) => id);
  }
}

function requireFailed(status: WorkflowStatus | undefined): void {
  if (status === undefined) throw new AppError('NOT_FOUND', 'Workflow not found');
  if (status !== 'failed') {
    throw AppError.invalid('status', `only a failed workflow can be retried; it is ${status}`);
  }
}

async function readStatus(
  transaction: Transaction,
  { organizationId, queues }: Scope,
  id: string,
): Promise<WorkflowStatus | undefined> {
  const values = [organizationId, queues, id];
  const [row] = await transaction.query<WorkflowRow>(workflowSql.read, values);
  return row?.status;
}

function moved({ organization_id, id, queue_name, rev, at }: MovedRow) {
  return { organizationId: organization_id, jobId: id, queueName: queue_name, rev, at };
}

function toWorkflow(row: WorkflowRow): Workflow {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    status: row.status,
    total_jobs: row.total_jobs,
    completed_jobs: row.completed_jobs,
    failed_jobs: row.failed_jobs,
    progress_percent: (row.completed_jobs / row.total_jobs) * 100,
    created_at: row.created_at.toISOString(),
    started_at: row.started_at?.toISOString() ?? null,
    completed_at: row.completed_at?.toISOString() ?? null,
    metadata: row.metadata,
  };
}
