import { Inject, Injectable } from '@nestjs/common';
import {
  AppError,
  isUuid,
  type DependencyMode,
  type JobStatus,
  type PlanLimits,
} from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import { Database, GroupCommit, type Lane, type Transaction } from '@spooled/postgres';
import { Metrics } from '@spooled/telemetry';
import { CompletionWebhookRepository } from './completion-webhook.repository.js';
import { JOB_API_CONFIG, type JobApiConfig } from '../../config.js';
import { limitsJobs, type Tally } from '../../quotas/domain/tally.js';
import { holdCounts } from '../../quotas/quotas.js';
import { EventsByOrganization, QueuesByOrganization } from '../by-organization.js';
import { jobCreated } from '../domain/job-events.js';
import { WorkSignal } from '../work-signal.js';
import { depend, holdParents } from './dependency.sql.js';
import { enqueue, jobsByKey, knownIds, takenKeys } from './enqueue.sql.js';
import { QueueHeads } from './queue-heads.js';

/** A job to insert; ids are made by the caller. Instants are RFC 3339 text, JSON fields are JSON text. */
export interface NewJob {
  readonly organizationId: string;
  readonly id: string;
  readonly queueName: string;
  readonly payload: string;
  /** As the payload names it. */
  readonly jobType: string | null;
  readonly priority: number;
  /** Null: as the queue says, else as the server says. */
  readonly maxRetries: number | null;
  readonly timeoutSeconds: number | null;
  readonly tags: string | null;
  readonly completionWebhook: string | null;
  readonly completionWebhookSecret: string | null;
  readonly idempotencyKey: string | null;
  readonly scheduledAt: string | null;
  readonly expiresAt: string | null;
  readonly parentJobId: string | null;
  readonly workflowId: string | null;
  /** The schedule that fired. */
  readonly scheduleId: string | null;
  /** Null: there is no dependency. */
  readonly dependencyMode: DependencyMode | null;
  /** How many dependencies are still missing (`all`) or may still come (`any`); null = it waits for none. */
  readonly waitingOn: number | null;
  /** Of whoever put it in; null: of no trace. */
  readonly traceparent: string | null;
}

/** Jobs that are inserted together or not at all, against the plan of their organization. */
export interface EnqueueCall {
  readonly jobs: readonly NewJob[];
  readonly plan: PlanLimits;
}

/** `created` false: the idempotency key is known, and this is the job that holds it. */
export interface EnqueueOutcome {
  readonly jobId: string;
  readonly queueName: string;
  readonly created: boolean;
}

/** A key taken by a job that retention removed in the same moment: ask again. */
const MAX_TRIES = 3;

/** Inserts jobs; concurrent callers share a transaction. */
@Injectable()
export class EnqueueRepository {
  readonly #unlimited: Lane<EnqueueCall, readonly EnqueueOutcome[]>;
  readonly #limited: Lane<EnqueueCall, readonly EnqueueOutcome[]>;
  readonly #enqueued;

  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
    private readonly work: WorkSignal,
    private readonly heads: QueueHeads,
    private readonly completionWebhooks: CompletionWebhookRepository,
    group: GroupCommit,
    @Inject(JOB_API_CONFIG) private readonly config: JobApiConfig,
    metrics: Metrics,
  ) {
    this.#enqueued = metrics.counter({
      name: 'spooled_jobs_enqueued_total',
      help: 'Jobs inserted.',
    });
    const size = {
      organizationOf: ({ jobs }: EnqueueCall) => jobs[0]!.organizationId,
      weigh: ({ jobs }: EnqueueCall) => jobs.length,
    };
    // Before all other lanes: whoever takes the locks on the counts must not hold a row already.
    this.#limited = group.lane<EnqueueCall, readonly EnqueueOutcome[]>({
      name: 'jobs.enqueue-limited',
      ...size,
      run: (transaction, calls) => this.#insertAdmitted(transaction, calls),
    });
    this.#unlimited = group.lane<EnqueueCall, readonly EnqueueOutcome[]>({
      name: 'jobs.enqueue',
      ...size,
      run: (transaction, calls) => this.#insertCalls(transaction, calls),
    });
  }

  /**
   * Answers in the order of the jobs.
   * @throws AppError `QUOTA_EXCEEDED` when the plan has no room for all that are new
   */
  async insert(jobs: readonly NewJob[], plan: PlanLimits): Promise<readonly EnqueueOutcome[]> {
    if (jobs.length === 0) return [];
    const lane = limitsJobs(plan) ? this.#limited : this.#unlimited;
    return lane.submit({ jobs, plan });
  }

  /** Which of the jobs, given by the ids their callers made, are there already. */
  async known(jobs: readonly NewJob[]): Promise<ReadonlySet<string>> {
    const organizationIds = jobs.map(({ organizationId }) => organizationId);
    const rows = await this.database.query<{ id: string }>(
      [...new Set(organizationIds)],
      knownIds,
      [organizationIds, jobs.map(({ id }) => id)],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** Inserts jobs, and what they wait for, as a part of a larger transaction that has settled the quotas. */
  async insertIn(
    transaction: Transaction,
    jobs: readonly NewJob[],
    dependencies: readonly { readonly child: NewJob; readonly parentId: string }[],
  ): Promise<void> {
    if (dependencies.length > 0) {
      transaction.send(depend, [
        dependencies.map(({ child }) => child.organizationId),
        dependencies.map(({ child }) => child.id),
        dependencies.map(({ parentId }) => parentId),
      ]);
    }
    await this.#insert(transaction, jobs);
  }

  /**
   * Inserts a job that waits for its parent, in a transaction that keeps the parent from ending in between.
   * @throws AppError `VALIDATION_ERROR` when the parent is no job of the same organization and queue that may complete
   */
  async insertChild(job: NewJob, parentId: string, plan: PlanLimits): Promise<EnqueueOutcome> {
    const refusal = AppError.invalid('parent_job_id', 'must be a live job of the same queue');
    const { organizationId } = job;
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.database.transaction([organizationId], async (transaction) => {
        const tally = limitsJobs(plan)
          ? (await holdCounts(transaction, [organizationId])).get(organizationId)
          : undefined;
        // A known key is answered whatever has become of the parent since.
        const known = await this.#hit(transaction, job);
        if (known !== undefined) return known;
        if (!isUuid(parentId)) throw refusal;
        const [parent] = await transaction.query<ParentRow>(holdParents, [
          organizationId,
          [parentId],
        ]);
        if (parent === undefined) return undefined;
        const { queue_name, ended } = parent;
        if (queue_name !== job.queueName || (ended !== null && ended !== 'completed'))
          throw refusal;
        const overQuota = tally?.add(plan, { newJobs: 1, queueNames: [job.queueName] }) ?? null;
        if (overQuota !== null) throw overQuota;
        const child: NewJob = {
          ...job,
          parentJobId: parentId,
          dependencyMode: 'all',
          waitingOn: ended === null ? 1 : null,
        };
        const [inserted] = await this.#insert(transaction, [child]);
        if (inserted!.created) transaction.send(depend, [[organizationId], [job.id], [parentId]]);
        return inserted!;
      });
      if (outcome !== undefined) return outcome;
      // Between two looks the parent may have moved from one state to the next.
      if (attempt === MAX_TRIES) throw refusal;
    }
  }

  async #hit(transaction: Transaction, job: NewJob): Promise<EnqueueOutcome | undefined> {
    if (job.idempotencyKey === null) return undefined;
    const outcomes: (EnqueueOutcome | undefined)[] = [undefined];
    await this.#findByKey(transaction, [job], outcomes);
    return outcomes[0];
  }

  async #insertCalls(
    transaction: Transaction,
    calls: readonly EnqueueCall[],
  ): Promise<(readonly EnqueueOutcome[])[]> {
    const outcomes = await this.#insert(
      transaction,
      calls.flatMap(({ jobs }) => jobs),
    );
    let start = 0;
    return calls.map(({ jobs }) => outcomes.slice(start, (start += jobs.length)));
  }

  /** One call after the other is admitted or refused as if it were alone; then all admitted ones are inserted. */
  async #insertAdmitted(
    transaction: Transaction,
    calls: readonly EnqueueCall[],
  ): Promise<(readonly EnqueueOutcome[] | AppError)[]> {
    const jobs = calls.flatMap((call) => call.jobs);
    const [tallies, keys] = await Promise.all([
      holdCounts(transaction, [...new Set(jobs.map(({ organizationId }) => organizationId))]),
      this.#takenKeys(transaction, jobs),
    ]);
    const refusals = calls.map((call) =>
      admit(call, tallies.get(call.jobs[0]!.organizationId)!, keys),
    );
    const admitted = calls.filter((_, index) => refusals[index] === null);
    const outcomes = admitted.length === 0 ? [] : await this.#insertCalls(transaction, admitted);
    return refusals.map((refusal) => refusal ?? outcomes.shift()!);
  }

  async #takenKeys(transaction: Transaction, jobs: readonly NewJob[]): Promise<Set<string>> {
    const keyed = jobs.filter(({ idempotencyKey }) => idempotencyKey !== null);
    if (keyed.length === 0) return new Set();
    const rows = await transaction.query<{ organization_id: string; key: string }>(takenKeys, [
      keyed.map(({ organizationId }) => organizationId),
      keyed.map(({ idempotencyKey }) => idempotencyKey),
    ]);
    return new Set(rows.map(({ organization_id, key }) => `${organization_id} ${key}`));
  }

  async #insert(transaction: Transaction, jobs: readonly NewJob[]): Promise<EnqueueOutcome[]> {
    this.completionWebhooks.note(transaction, jobs);
    const inserted = await transaction.query<Inserted>(enqueue, [
      ...columns(jobs),
      this.config.QUEUE_DEFAULT_MAX_RETRIES,
      this.config.QUEUE_DEFAULT_TIMEOUT_SECS,
      jobs.map(({ traceparent }) => traceparent),
    ]);
    const outcomes: (EnqueueOutcome | undefined)[] = jobs.map(() => undefined);
    for (const { ord } of inserted) {
      const { id, queueName } = jobs[ord - 1]!;
      outcomes[ord - 1] = { jobId: id, queueName, created: true };
    }
    // Before anything else is awaited: a claim in this transaction may tell of these jobs next.
    this.#announce(transaction, jobs, inserted);
    if (inserted.length < jobs.length) {
      await this.#findByKey(transaction, jobs, outcomes);
      if (outcomes.includes(undefined)) {
        throw new AppError('SERVICE_UNAVAILABLE', 'An idempotency key is changing; try again.');
      }
    }
    return outcomes as EnqueueOutcome[];
  }

  async #findByKey(
    transaction: Transaction,
    jobs: readonly NewJob[],
    outcomes: (EnqueueOutcome | undefined)[],
  ): Promise<void> {
    const missing = jobs.flatMap((_, index) => (outcomes[index] === undefined ? [index] : []));
    const hits = await transaction.query<{ ord: number; job_id: string; queue_name: string }>(
      jobsByKey,
      [
        missing.map((index) => jobs[index]!.organizationId),
        missing.map((index) => jobs[index]!.idempotencyKey),
      ],
    );
    for (const { ord, job_id, queue_name } of hits) {
      outcomes[missing[ord - 1]!] = { jobId: job_id, queueName: queue_name, created: false };
    }
  }

  #announce(
    transaction: Transaction,
    jobs: readonly NewJob[],
    inserted: readonly Inserted[],
  ): void {
    const events = new EventsByOrganization();
    const ready = new QueuesByOrganization();
    let earliest: string | undefined;
    for (const { ord, status, created_at: at } of inserted) {
      const { organizationId, id, queueName, priority, scheduledAt, waitingOn, ...more } =
        jobs[ord - 1]!;
      const { traceparent } = more;
      const transition = { organizationId, jobId: id, queueName, rev: 1, at, traceparent };
      events.add(organizationId, jobCreated(transition, priority, status, more));
      if (status === 'pending' && waitingOn === null) ready.add(organizationId, queueName);
      if (status === 'scheduled' && (earliest === undefined || scheduledAt! < earliest)) {
        earliest = scheduledAt!;
      }
    }
    this.eventLog.append(transaction, events.entries());
    transaction.afterCommit(() => {
      this.#enqueued.inc(inserted.length);
      for (const { ord } of inserted) this.heads.added(jobs[ord - 1]!);
      this.work.announceNew(ready);
      if (earliest !== undefined) this.work.announceDue(new Date(earliest));
    });
  }
}

interface Inserted {
  readonly ord: number;
  readonly status: 'pending' | 'scheduled';
  readonly created_at: Date;
}

/** A dependency where it stands; `ended` is null while it may still complete. */
export interface ParentRow {
  readonly id: string;
  readonly queue_name: string;
  readonly ended: JobStatus | null;
}

/** Counts what is new of a call, or answers why it may not be. Keys of admitted jobs count as taken from then on. */
function admit({ jobs, plan }: EnqueueCall, tally: Tally, keys: Set<string>): AppError | null {
  const ownKeys = new Set<string>();
  const fresh = jobs.filter(({ organizationId, idempotencyKey }) => {
    if (idempotencyKey === null) return true;
    const key = `${organizationId} ${idempotencyKey}`;
    if (keys.has(key) || ownKeys.has(key)) return false;
    ownKeys.add(key);
    return true;
  });
  const queueNames = [...new Set(fresh.map(({ queueName }) => queueName))];
  const refusal = tally.add(plan, { newJobs: fresh.length, queueNames });
  if (refusal === null) for (const key of ownKeys) keys.add(key);
  return refusal;
}

/** The jobs as one array per column, as the statement unnests them. */
function columns(jobs: readonly NewJob[]): unknown[][] {
  return [
    jobs.map((job) => job.organizationId),
    jobs.map((job) => job.id),
    jobs.map((job) => job.queueName),
    jobs.map((job) => job.payload),
    jobs.map((job) => job.priority),
    jobs.map((job) => job.maxRetries),
    jobs.map((job) => job.timeoutSeconds),
    jobs.map((job) => job.tags),
    jobs.map((job) => job.completionWebhook),
    jobs.map((job) => job.completionWebhookSecret),
    jobs.map((job) => job.idempotencyKey),
    jobs.map((job) => job.scheduledAt),
    jobs.map((job) => job.expiresAt),
    jobs.map((job) => job.parentJobId),
    jobs.map((job) => job.workflowId),
    jobs.map((job) => job.dependencyMode),
    jobs.map((job) => job.waitingOn),
    jobs.map((job) => job.jobType),
  ];
}
