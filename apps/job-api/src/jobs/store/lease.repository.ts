import { Injectable } from '@nestjs/common';
import { AppError } from '@spooled/contracts';
import { Database, GroupCommit, type Lane, type Statement } from '@spooled/postgres';
import { inSpan, isTracing, Metrics, startSpan, type Span } from '@spooled/telemetry';
import { Claims, type ClaimCall, type ClaimOutcome, type LeasedJob } from './claims.js';
import { appendLog, report } from './settle.sql.js';
import {
  Settlements,
  type Completion,
  type Failure,
  type FailureOutcome,
  type LeaseProof,
  type Renewal,
} from './settlements.js';

export type { ClaimCall, ClaimOutcome, LeasedJob } from './claims.js';
export type { Completion, Failure, FailureOutcome, LeaseProof, Renewal } from './settlements.js';

/** A report of progress, as it was stored. */
export interface ReportedProgress {
  readonly queue_name: string;
  readonly percent: number;
  readonly message: string | null;
  readonly at: Date;
}

export interface AppendedLines {
  readonly queue_name: string;
  /** Number of the first one among the job's lines, from 0. */
  readonly first: number;
  readonly at: Date;
}

/** The worker's door to the store: concurrent calls share a transaction. */
@Injectable()
export class LeaseRepository {
  readonly #completions: Lane<Completion, true>;
  readonly #failures: Lane<Failure, FailureOutcome>;
  readonly #renewals: Lane<Renewal, Date>;
  readonly #claims: Lane<ClaimCall, ClaimOutcome>;
  readonly #actionSeconds;

  constructor(
    private readonly database: Database,
    private readonly claims: Claims,
    private readonly settlements: Settlements,
    group: GroupCommit,
    metrics: Metrics,
  ) {
    const organizationOf = (call: { readonly organizationId: string }): string =>
      call.organizationId;
    this.#completions = group.lane<Completion, true>({
      name: 'jobs.complete',
      organizationOf,
      run: (transaction, calls) => settlements.complete(transaction, calls),
    });
    this.#failures = group.lane<Failure, FailureOutcome>({
      name: 'jobs.fail',
      organizationOf,
      run: (transaction, calls) => settlements.fail(transaction, calls),
    });
    this.#renewals = group.lane<Renewal, Date>({
      name: 'jobs.renew',
      organizationOf,
      run: (transaction, calls) => settlements.renew(transaction, calls),
    });
    this.#claims = group.lane<ClaimCall, ClaimOutcome>({
      name: 'jobs.claim',
      organizationOf,
      weigh: ({ limit }) => limit,
      run: (transaction, calls) => claims.claim(transaction, calls),
    });
    this.#actionSeconds = metrics.histogram({
      name: 'spooled_lease_action_duration_seconds',
      help: 'Time from the call of a worker to its answer, the wait for a shared transaction included.',
      labelNames: ['action'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    });
  }

  async claim(call: ClaimCall): Promise<ClaimOutcome> {
    const startTime = Date.now();
    const outcome = await this.#timed('claim', this.#claims.submit(call));
    if (isTracing() && outcome.jobs.length > 0) recordClaim(call, outcome.jobs, startTime);
    return outcome;
  }

  /** Gives back what was leased but could not be delivered. */
  unclaim(
    organizationId: string,
    jobs: readonly Pick<LeasedJob, 'id' | 'lease_id'>[],
  ): Promise<void> {
    return this.claims.unclaim(organizationId, jobs);
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async complete(call: Completion): Promise<void> {
    await settleSpan('complete', call, (span) =>
      this.#timed('complete', this.#completions.submit({ ...call, span })),
    );
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  fail(call: Failure): Promise<FailureOutcome> {
    return settleSpan('fail', call, (span) =>
      this.#timed('fail', this.#failures.submit({ ...call, span })),
    );
  }

  /** Answers the new end of the lease. @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  renew(call: Renewal): Promise<Date> {
    return this.#timed('renew', this.#renewals.submit(call));
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  reportProgress(
    proof: LeaseProof,
    percent: number,
    message: string | null,
  ): Promise<ReportedProgress> {
    return this.#note(proof, report, [percent, message]);
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  appendLog(proof: LeaseProof, lines: readonly string[]): Promise<AppendedLines> {
    return this.#note(proof, appendLog, [lines]);
  }

  async #note<R>(proof: LeaseProof, statement: Statement, values: readonly unknown[]): Promise<R> {
    const outcome = await this.database.transaction([proof.organizationId], (transaction) =>
      this.settlements.note<R>(transaction, proof, statement, values),
    );
    if (outcome instanceof AppError) throw outcome;
    return outcome;
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

/** Looks that find nothing leave no span: a worker that waits looks all the time. */
function recordClaim(
  { organizationId, queueName, workerId }: ClaimCall,
  jobs: readonly LeasedJob[],
  startTime: number,
): void {
  startSpan('jobs claim', {
    kind: 'consumer',
    startTime,
    links: jobs.map(({ traceparent }) => traceparent),
    attributes: {
      'messaging.system': 'spooled',
      'messaging.operation.name': 'claim',
      'messaging.destination.name': queueName,
      'messaging.batch.message_count': jobs.length,
      'spooled.organization.id': organizationId,
      'spooled.worker.id': workerId,
    },
  })?.end();
}

function settleSpan<T>(
  name: 'complete' | 'fail',
  { organizationId, jobId, workerId }: LeaseProof,
  settle: (span: Span | undefined) => Promise<T>,
): Promise<T> {
  if (!isTracing()) return settle(undefined);
  const attributes = {
    'messaging.system': 'spooled',
    'messaging.operation.name': name,
    'messaging.message.id': jobId,
    'spooled.organization.id': organizationId,
    'spooled.worker.id': workerId,
  };
  return inSpan(`jobs ${name}`, { kind: 'consumer', attributes }, settle);
}
