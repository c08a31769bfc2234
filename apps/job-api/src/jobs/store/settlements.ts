import { Injectable } from '@nestjs/common';
import { AppError, type JobStatus } from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import type { Statement, Transaction } from '@spooled/postgres';
import { linkSpan, Metrics, type Span } from '@spooled/telemetry';
import { EventsByOrganization } from '../by-organization.js';
import { jobCompleted, jobFailed } from '../domain/job-events.js';
import { backoffJitterMs, backoffLadderMs, backoffSecs } from '../domain/retry-policy.js';
import { JobMetrics } from '../job-metrics.js';
import { WorkSignal } from '../work-signal.js';
import { WorkflowProgress } from '../../workflows/store/workflow-progress.js';
import { Children } from './children.js';
import { transition, type MovedRow } from './moved-row.js';
import { traceparentsOf } from './traceparents.js';
import * as settleSql from './settle.sql.js';

/** What a worker shows to act on its lease. */
export interface LeaseProof {
  readonly organizationId: string;
  readonly jobId: string;
  readonly workerId: string;
  /** Null: the worker id alone fences. */
  readonly leaseId: string | null;
  /** Queues the caller's key may use; null = all. */
  readonly queues: readonly string[] | null;
  /** Of the call, to be linked to the trace in which the job was put in. */
  readonly span?: Span | undefined;
}

export interface Completion extends LeaseProof {
  /** JSON text. */
  readonly result: string | null;
}

export interface Failure extends LeaseProof {
  readonly error: string;
  /** Another try can not help: a dead letter, whatever is left of the budget. @default false */
  readonly isFinal?: boolean;
}

export interface Renewal extends LeaseProof {
  readonly leaseSecs: number;
}

export interface FailureOutcome {
  /** Null: the job is a dead letter now. */
  readonly nextRetryAt: Date | null;
  /** The delay before that, without its noise; 0 for a dead letter. */
  readonly retryDelaySecs: number;
}

/** What workers do with the leases they hold. Who holds none any more learns why. */
@Injectable()
export class Settlements {
  readonly #refused;
  readonly #completed;
  readonly #failed;
  readonly #retried;
  readonly #processingSeconds;

  constructor(
    private readonly eventLog: EventLog,
    private readonly work: WorkSignal,
    private readonly children: Children,
    private readonly workflows: WorkflowProgress,
    private readonly jobMetrics: JobMetrics,
    metrics: Metrics,
  ) {
    const counter = (name: string, help: string) => metrics.counter({ name, help });
    this.#refused = counter(
      'spooled_lease_actions_refused_total',
      'Completions, failures and renewals refused by fencing.',
    );
    this.#completed = counter('spooled_jobs_completed_total', 'Jobs completed.');
    this.#failed = counter('spooled_jobs_failed_total', 'Failed tries.');
    this.#retried = counter('spooled_jobs_retried_total', 'Tries that will be repeated.');
    this.#processingSeconds = metrics.histogram({
      name: 'spooled_job_duration_seconds',
      help: 'Time from the last claim to completion.',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 1800],
    });
  }

  complete(transaction: Transaction, calls: readonly Completion[]): Promise<(true | AppError)[]> {
    return this.#settle(transaction, calls, () => this.#complete(transaction, calls));
  }

  fail(
    transaction: Transaction,
    calls: readonly Failure[],
  ): Promise<(FailureOutcome | AppError)[]> {
    return this.#settle(transaction, calls, () => this.#fail(transaction, calls));
  }

  /** Answers the new ends of the leases. */
  renew(transaction: Transaction, calls: readonly Renewal[]): Promise<(Date | AppError)[]> {
    return this.#settle(transaction, calls, () => this.#renew(transaction, calls));
  }

  /** Writes something down for the holder of a lease; `values` follow the proof. Answers the row of the statement. */
  async note<R>(
    transaction: Transaction,
    proof: LeaseProof,
    statement: Statement,
    values: readonly unknown[],
  ): Promise<R | AppError> {
    const { organizationId, jobId, workerId, leaseId, queues } = proof;
    const all = [organizationId, jobId, workerId, leaseId, queues?.join(',') ?? null, ...values];
    const [outcome] = await this.#settle(transaction, [proof], async () => {
      const [row] = await transaction.query<R>(statement, all);
      return [row];
    });
    return outcome!;
  }

  /** Runs one kind of call; those whose lease did not hold learn why. */
  async #settle<O>(
    transaction: Transaction,
    calls: readonly LeaseProof[],
    run: () => Promise<(O | undefined)[]>,
  ): Promise<(O | AppError)[]> {
    const outcomes = await run();
    const missing = calls.flatMap((_, index) => (outcomes[index] === undefined ? [index] : []));
    if (missing.length === 0) return outcomes as O[];
    this.#refused.inc(missing.length);
    const refusals = await this.#diagnose(
      transaction,
      missing.map((index) => calls[index]!),
    );
    return outcomes.map((outcome, index) => outcome ?? refusals[missing.indexOf(index)]!);
  }

  async #complete(
    transaction: Transaction,
    calls: readonly Completion[],
  ): Promise<(true | undefined)[]> {
    const [rows, isParent, traceparents] = await Promise.all([
      transaction.query<CompletedRow>(settleSql.complete, [
        ...proofColumns(calls),
        calls.map(({ result }) => result),
      ]),
      this.children.among(transaction, calls.map(subject)),
      traceparentsOf(transaction, calls.map(subject)),
    ]);
    linkSpans(calls, traceparents);
    const events = new EventsByOrganization();
    const outcomes: (true | undefined)[] = calls.map(() => undefined);
    for (const row of rows) {
      const resultJson = calls[row.ord - 1]!.result;
      events.add(
        row.organization_id,
        ...jobCompleted(traced(row, traceparents), {
          workerId: row.worker_id,
          startedAt: row.started_at,
          resultJson,
        }),
      );
      outcomes[row.ord - 1] = true;
    }
    await this.children.release(transaction, rows.filter(isParent), events);
    this.workflows.touch(transaction, rows);
    this.eventLog.append(transaction, events.entries());
    transaction.afterCommit(() => {
      this.#completed.inc(rows.length);
      for (const { at, started_at } of rows) {
        this.#processingSeconds.observe(Math.max(0, at.getTime() - started_at.getTime()) / 1000);
      }
    });
    return outcomes;
  }

  async #fail(
    transaction: Transaction,
    calls: readonly Failure[],
  ): Promise<(FailureOutcome | undefined)[]> {
    const [rows, isParent, traceparents] = await Promise.all([
      transaction.query<FailedRow>(settleSql.fail, [
        ...proofColumns(calls),
        calls.map(({ error }) => error),
        calls.map(() => backoffJitterMs(Math.random)),
        backoffLadderMs,
        calls.map(({ isFinal = false }) => isFinal),
      ]),
      this.children.among(transaction, calls.map(subject)),
      traceparentsOf(transaction, calls.map(subject)),
    ]);
    linkSpans(calls, traceparents);
    const events = new EventsByOrganization();
    const outcomes: (FailureOutcome | undefined)[] = calls.map(() => undefined);
    for (const row of rows) {
      events.add(
        row.organization_id,
        ...jobFailed(traced(row, traceparents), {
          workerId: row.worker_id,
          error: calls[row.ord - 1]!.error,
          retryCount: row.retry_count,
          nextRetryAt: row.retry_at,
        }),
      );
      outcomes[row.ord - 1] = {
        nextRetryAt: row.retry_at,
        retryDelaySecs: row.retry_at === null ? 0 : backoffSecs(row.retry_count - 1),
      };
    }
    const lost = rows.filter(({ retry_at }) => retry_at === null);
    await this.children.cancel(transaction, lost.filter(isParent), events);
    this.workflows.touch(transaction, lost);
    this.eventLog.append(transaction, events.entries());
    transaction.afterCommit(() => {
      const retried = rows.filter(({ retry_at }) => retry_at !== null);
      this.#failed.inc(rows.length);
      this.#retried.inc(retried.length);
      this.jobMetrics.deadLettered.inc(lost.length);
      for (const { retry_at } of retried) this.work.announceDue(retry_at!);
    });
    return outcomes;
  }

  async #renew(transaction: Transaction, calls: readonly Renewal[]): Promise<(Date | undefined)[]> {
    const rows = await transaction.query<{ ord: number; lease_expires_at: Date }>(settleSql.renew, [
      ...proofColumns(calls),
      calls.map(({ leaseSecs }) => leaseSecs),
    ]);
    const outcomes: (Date | undefined)[] = calls.map(() => undefined);
    for (const { ord, lease_expires_at } of rows) outcomes[ord - 1] = lease_expires_at;
    return outcomes;
  }

  async #diagnose(
    transaction: Transaction,
    calls: readonly LeaseProof[],
  ): Promise<readonly AppError[]> {
    const rows = await transaction.query<DiagnosisRow>(settleSql.diagnose, [
      calls.map(({ organizationId }) => organizationId),
      calls.map(({ jobId }) => jobId),
    ]);
    return calls.map((call, index) =>
      refusal(
        call,
        rows.find(({ ord }) => ord === index + 1),
      ),
    );
  }
}

interface Settled extends MovedRow {
  readonly ord: number;
  readonly worker_id: string;
}
interface CompletedRow extends Settled {
  readonly started_at: Date;
}
interface FailedRow extends Settled {
  readonly retry_at: Date | null;
  readonly retry_count: number;
}
interface DiagnosisRow {
  readonly ord: number;
  readonly queue_name: string;
  readonly status: JobStatus;
  readonly worker_id: string | null;
}

/** The contract's table of misses: hidden when it was never this worker's, else what became of the lease. */
function refusal({ workerId, queues }: LeaseProof, found: DiagnosisRow | undefined): AppError {
  const isHidden = found !== undefined && queues !== null && !queues.includes(found.queue_name);
  if (found === undefined || isHidden || found.worker_id !== workerId) {
    return new AppError('NOT_FOUND', 'Job not found or not owned by worker');
  }
  if (found.status === 'processing' || found.status === 'pending' || found.status === 'scheduled') {
    return new AppError('LEASE_EXPIRED', 'Lease expired');
  }
  return new AppError('CONFLICT', `Job is already ${found.status}`);
}

function traced(row: MovedRow, traceparents: ReadonlyMap<string, string>) {
  return { ...transition(row), traceparent: traceparents.get(row.id) };
}

function linkSpans(calls: readonly LeaseProof[], traceparents: ReadonlyMap<string, string>): void {
  for (const { span, jobId } of calls) linkSpan(span, traceparents.get(jobId));
}

/** The job a call is about, named as in rows. */
function subject({ organizationId, jobId }: LeaseProof): { organization_id: string; id: string } {
  return { organization_id: organizationId, id: jobId };
}

function proofColumns(calls: readonly LeaseProof[]): unknown[][] {
  return [
    calls.map(({ organizationId }) => organizationId),
    calls.map(({ jobId }) => jobId),
    calls.map(({ workerId }) => workerId),
    calls.map(({ leaseId }) => leaseId),
    calls.map(({ queues }) => queues?.join(',') ?? null),
  ];
}
