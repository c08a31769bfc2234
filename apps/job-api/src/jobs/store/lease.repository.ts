import { Injectable } from '@nestjs/common';
import { AppError, type ClaimedJob, type JobStatus } from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import {
  Database,
  GroupCommit,
  type Lane,
  type Statement,
  type Transaction,
} from '@spooled/postgres';
import { Metrics } from '@spooled/telemetry';
import { EventsByOrganization, QueuesByOrganization } from '../by-organization.js';
import { jobCompleted, jobFailed, statusChanged } from '../domain/job-events.js';
import { backoffJitterMs, backoffLadderMs } from '../domain/retry-policy.js';
import { JobMetrics } from '../job-metrics.js';
import { WorkSignal } from '../work-signal.js';
import { WorkflowProgress } from '../../workflows/store/workflow-progress.js';
import { Children } from './children.js';
import * as leaseSql from './lease.sql.js';

export interface ClaimCall {
  readonly organizationId: string;
  readonly queueName: string;
  readonly workerId: string;
  readonly limit: number;
  readonly leaseSecs: number;
}

export interface ClaimOutcome {
  readonly jobs: readonly ClaimedJob[];
  /** The queue's rate limit held jobs back: there may be more in a moment. */
  readonly isPaced: boolean;
}

/** What a worker shows to act on its lease. */
export interface LeaseProof {
  readonly organizationId: string;
  readonly jobId: string;
  readonly workerId: string;
  /** Null: the worker id alone fences. */
  readonly leaseId: string | null;
  /** Queues the caller's key may use; null = all. */
  readonly queues: readonly string[] | null;
}

export interface Completion extends LeaseProof {
  /** JSON text. */
  readonly result: string | null;
}

export interface Failure extends LeaseProof {
  readonly error: string;
}

export interface Renewal extends LeaseProof {
  readonly leaseSecs: number;
}

/** Null: the job is a dead letter now. */
export type FailureOutcome = { readonly nextRetryAt: Date | null };

/** Leases and their settlement; concurrent callers of a kind share a transaction. */
@Injectable()
export class LeaseRepository {
  readonly #completions: Lane<Completion, true>;
  readonly #failures: Lane<Failure, FailureOutcome>;
  readonly #renewals: Lane<Renewal, Date>;
  readonly #claims: Lane<ClaimCall, ClaimOutcome>;
  readonly #refused;
  readonly #completed;
  readonly #failed;
  readonly #retried;
  readonly #processingSeconds;
  readonly #actionSeconds;

  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
    private readonly work: WorkSignal,
    private readonly children: Children,
    private readonly workflows: WorkflowProgress,
    private readonly jobMetrics: JobMetrics,
    group: GroupCommit,
    metrics: Metrics,
  ) {
    this.#completions = group.lane<Completion, true>({
      name: 'jobs.complete',
      organizationOf: ({ organizationId }) => organizationId,
      run: (transaction, calls) =>
        this.#settle(transaction, calls, () => this.#complete(transaction, calls)),
    });
    this.#failures = group.lane<Failure, FailureOutcome>({
      name: 'jobs.fail',
      organizationOf: ({ organizationId }) => organizationId,
      run: (transaction, calls) =>
        this.#settle(transaction, calls, () => this.#fail(transaction, calls)),
    });
    this.#renewals = group.lane<Renewal, Date>({
      name: 'jobs.renew',
      organizationOf: ({ organizationId }) => organizationId,
      run: (transaction, calls) =>
        this.#settle(transaction, calls, () => this.#renew(transaction, calls)),
    });
    this.#claims = group.lane<ClaimCall, ClaimOutcome>({
      name: 'jobs.claim',
      organizationOf: ({ organizationId }) => organizationId,
      weigh: ({ limit }) => limit,
      run: (transaction, calls) => this.#claim(transaction, calls),
    });
    this.#refused = metrics.counter({
      name: 'spooled_lease_actions_refused_total',
      help: 'Completions, failures and renewals refused by fencing.',
    });
    const counter = (name: string, help: string) => metrics.counter({ name, help });
    this.#completed = counter('spooled_jobs_completed_total', 'Jobs completed.');
    this.#failed = counter('spooled_jobs_failed_total', 'Failed tries.');
    this.#retried = counter('spooled_jobs_retried_total', 'Tries that will be repeated.');
    this.#actionSeconds = metrics.histogram({
      name: 'spooled_lease_action_duration_seconds',
      help: 'Time from the call of a worker to its answer, the wait for a shared transaction included.',
      labelNames: ['action'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    });
    this.#processingSeconds = metrics.histogram({
      name: 'spooled_job_duration_seconds',
      help: 'Time from the last claim to completion.',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 1800],
    });
  }

  claim(call: ClaimCall): Promise<ClaimOutcome> {
    return this.#timed('claim', this.#claims.submit(call));
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async complete(call: Completion): Promise<void> {
    await this.#timed('complete', this.#completions.submit(call));
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  fail(call: Failure): Promise<FailureOutcome> {
    return this.#timed('fail', this.#failures.submit(call));
  }

  /** Answers the new end of the lease. @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  renew(call: Renewal): Promise<Date> {
    return this.#timed('renew', this.#renewals.submit(call));
  }

  /** Gives back what was leased but could not be delivered. */
  async unclaim(organizationId: string, jobs: readonly ClaimedJob[]): Promise<void> {
    await this.database.transaction([organizationId], async (transaction) => {
      const rows = await transaction.query<Omit<Moved, 'workflow_id'> & { worker_id: string }>(
        leaseSql.unclaim,
        [
          jobs.map(() => organizationId),
          jobs.map(({ id }) => id),
          jobs.map(({ lease_id }) => lease_id),
        ],
      );
      const events = new EventsByOrganization();
      const ready = new QueuesByOrganization();
      for (const row of rows) {
        const more = { workerId: row.worker_id, reason: 'not_delivered' };
        events.add(organizationId, statusChanged(transition(row), 'processing', 'pending', more));
        ready.add(organizationId, row.queue_name);
      }
      this.eventLog.append(transaction, events.entries());
      transaction.afterCommit(() => this.work.announce(ready));
    });
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async reportProgress(proof: LeaseProof, percent: number, message: string | null): Promise<void> {
    await this.#actOnLease(proof, leaseSql.report, [percent, message]);
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async appendLog(proof: LeaseProof, lines: readonly string[]): Promise<void> {
    await this.#actOnLease(proof, leaseSql.appendLog, [lines]);
  }

  async #actOnLease(
    proof: LeaseProof,
    statement: Statement,
    more: readonly unknown[],
  ): Promise<void> {
    const { organizationId, jobId, workerId, leaseId, queues } = proof;
    const values = [organizationId, jobId, workerId, leaseId, queues?.join(',') ?? null, ...more];
    const [outcome] = await this.database.transaction([organizationId], (transaction) =>
      this.#settle(transaction, [proof], async () => {
        const rows = await transaction.query(statement, values);
        return rows.length === 0 ? [undefined] : [true];
      }),
    );
    if (outcome instanceof AppError) throw outcome;
  }

  async #claim(transaction: Transaction, calls: readonly ClaimCall[]): Promise<ClaimOutcome[]> {
    const next = new Map<string, number>();
    const slots = calls.map(({ organizationId, queueName, limit }) => {
      const name = `${organizationId} ${queueName}`;
      const from = next.get(name) ?? 1;
      next.set(name, from + limit);
      return { from, to: from + limit - 1 };
    });
    const rows = await transaction.query<ClaimRow | HeldBackRow>(leaseSql.claim, [
      calls.map(({ organizationId }) => organizationId),
      calls.map(({ queueName }) => queueName),
      slots.map(({ from }) => from),
      slots.map(({ to }) => to),
      calls.map(({ workerId }) => workerId),
      calls.map(({ leaseSecs }) => leaseSecs),
    ]);
    const events = new EventsByOrganization();
    const answers: { jobs: ClaimedJob[]; isPaced: boolean }[] = calls.map(() => ({
      jobs: [],
      isPaced: false,
    }));
    const leased = rows.filter(isLeased);
    for (const { ord, id } of rows) if (id === null) answers[ord - 1]!.isPaced = true;
    for (const row of leased) {
      const more = { workerId: row.worker_id };
      events.add(
        row.organization_id,
        statusChanged(transition(row), 'pending', 'processing', more),
      );
      answers[row.ord - 1]!.jobs.push(toClaimedJob(row));
    }
    this.workflows.touch(transaction, leased);
    this.eventLog.append(transaction, events.entries());
    return answers;
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
    const [rows, isParent] = await Promise.all([
      transaction.query<CompletedRow>(leaseSql.complete, [
        ...proofColumns(calls),
        calls.map(({ result }) => result),
      ]),
      this.children.among(transaction, calls.map(subject)),
    ]);
    const events = new EventsByOrganization();
    const outcomes: (true | undefined)[] = calls.map(() => undefined);
    for (const row of rows) {
      const resultJson = calls[row.ord - 1]!.result;
      events.add(
        row.organization_id,
        ...jobCompleted(transition(row), {
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
    const [rows, isParent] = await Promise.all([
      transaction.query<FailedRow>(leaseSql.fail, [
        ...proofColumns(calls),
        calls.map(({ error }) => error),
        calls.map(() => backoffJitterMs(Math.random)),
        backoffLadderMs,
      ]),
      this.children.among(transaction, calls.map(subject)),
    ]);
    const events = new EventsByOrganization();
    const outcomes: (FailureOutcome | undefined)[] = calls.map(() => undefined);
    for (const row of rows) {
      events.add(
        row.organization_id,
        ...jobFailed(transition(row), {
          workerId: row.worker_id,
          error: calls[row.ord - 1]!.error,
          retryCount: row.retry_count,
          nextRetryAt: row.retry_at,
        }),
      );
      outcomes[row.ord - 1] = { nextRetryAt: row.retry_at };
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
    const rows = await transaction.query<{ ord: number; lease_expires_at: Date }>(leaseSql.renew, [
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
    const rows = await transaction.query<DiagnosisRow>(leaseSql.diagnose, [
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

  /** Refusals count like any answer: a worker waits for them just as long. */
  async #timed<O>(action: 'claim' | 'complete' | 'fail' | 'renew', answer: Promise<O>): Promise<O> {
    const startedAt = performance.now();
    try {
      return await answer;
    } finally {
      this.#actionSeconds.observe({ action }, (performance.now() - startedAt) / 1000);
    }
  }
}

interface Moved {
  readonly organization_id: string;
  readonly workflow_id: string | null;
  readonly id: string;
  readonly queue_name: string;
  readonly rev: number;
  readonly at: Date;
}
interface Settled extends Moved {
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
interface ClaimRow extends Moved {
  readonly ord: number;
  readonly priority: number;
  readonly retry_count: number;
  readonly max_retries: number;
  readonly worker_id: string;
  readonly lease_id: string;
  readonly lease_expires_at: Date;
  readonly payload: unknown;
  readonly timeout_seconds: number;
  readonly tags: unknown;
  readonly created_at: Date;
}
/** A caller that got less than it wanted because of the queue's rate limit. */
interface HeldBackRow {
  readonly ord: number;
  readonly id: null;
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

function isLeased(row: ClaimRow | HeldBackRow): row is ClaimRow {
  return row.id !== null;
}

function toClaimedJob(row: ClaimRow): ClaimedJob {
  return {
    id: row.id,
    queue_name: row.queue_name,
    payload: row.payload,
    retry_count: row.retry_count,
    max_retries: row.max_retries,
    timeout_seconds: row.timeout_seconds,
    lease_expires_at: row.lease_expires_at.toISOString(),
    lease_id: row.lease_id,
    priority: row.priority,
    tags: row.tags,
    created_at: row.created_at.toISOString(),
    workflow_id: row.workflow_id,
  };
}

function transition({ organization_id, id, queue_name, rev, at }: Omit<Moved, 'workflow_id'>) {
  return { organizationId: organization_id, jobId: id, queueName: queue_name, rev, at };
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
