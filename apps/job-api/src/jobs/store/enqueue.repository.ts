import { Inject, Injectable } from '@nestjs/common';
import { AppError, isUuid, type JobStatus } from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import { Database, GroupCommit, type Lane, type Transaction } from '@spooled/postgres';
import { Metrics } from '@spooled/telemetry';
import { JOB_API_CONFIG, type JobApiConfig } from '../../config.js';
import { EventsByOrganization, QueuesByOrganization } from '../by-organization.js';
import { jobCreated } from '../domain/job-events.js';
import { WorkSignal } from '../work-signal.js';
import { adopt, endOf, enqueue, holdParent, jobsByKey } from './enqueue.sql.js';

/** A job to insert; ids are made by the caller. Instants are RFC 3339 text, JSON fields are JSON text. */
export interface NewJob {
  readonly organizationId: string;
  readonly id: string;
  readonly queueName: string;
  readonly payload: string;
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
  /** A parent that must complete first. */
  readonly waitsFor: string | null;
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
  readonly #calls: Lane<readonly NewJob[], readonly EnqueueOutcome[]>;

  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
    private readonly work: WorkSignal,
    group: GroupCommit,
    @Inject(JOB_API_CONFIG) private readonly config: JobApiConfig,
    private readonly metrics: Metrics,
  ) {
    this.#calls = group.lane<readonly NewJob[], readonly EnqueueOutcome[]>({
      name: 'jobs.enqueue',
      organizationOf: (jobs) => jobs[0]!.organizationId,
      weigh: (jobs) => jobs.length,
      run: (transaction, calls) => this.#insertCalls(transaction, calls),
    });
  }

  /** Answers in the order of the jobs. The jobs of one call are inserted together or not at all. */
  async insert(jobs: readonly NewJob[]): Promise<readonly EnqueueOutcome[]> {
    if (jobs.length === 0) return [];
    return this.#calls.submit(jobs);
  }

  /**
   * Inserts a job that waits for its parent, in a transaction that keeps the parent from ending in between.
   * @throws AppError `VALIDATION_ERROR` when the parent is no job of the same organization and queue
   */
  async insertChild(job: NewJob, parentId: string): Promise<EnqueueOutcome> {
    const refusal = AppError.invalid('parent_job_id', 'must be a live job of the same queue');
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.database.transaction([job.organizationId], async (transaction) => {
        // A known key is answered whatever has become of the parent since.
        const known = await this.#hit(transaction, job);
        if (known !== undefined) return known;
        if (!isUuid(parentId)) throw refusal;
        const ids = [job.organizationId, parentId];
        const [held] = await transaction.query<{ queue_name: string }>(holdParent, ids);
        const [ended] =
          held === undefined
            ? await transaction.query<{ queue_name: string; status: JobStatus }>(endOf, ids)
            : [];
        const parent = held ?? ended;
        if (parent === undefined) return undefined;
        if (
          parent.queue_name !== job.queueName ||
          (ended !== undefined && ended.status !== 'completed')
        ) {
          throw refusal;
        }
        const waitsFor = ended === undefined ? parentId : null;
        const [inserted] = await this.#insert(transaction, [{ ...job, waitsFor }]);
        const { jobId, created } = inserted!;
        if (created && ended !== undefined)
          transaction.send(adopt, [job.organizationId, jobId, parentId]);
        return inserted!;
      });
      if (outcome !== undefined) return outcome;
      // Between the two looks the parent may have moved from one state to the next.
      if (attempt === MAX_TRIES) throw refusal;
    }
  }

  async #hit(transaction: Transaction, job: NewJob): Promise<EnqueueOutcome | undefined> {
    if (job.idempotencyKey === null) return undefined;
    const outcomes: (EnqueueOutcome | undefined)[] = [undefined];
    await this.#findByKey(transaction, [job], outcomes);
    return outcomes[0];
  }

  async #insertCalls(transaction: Transaction, calls: readonly (readonly NewJob[])[]) {
    const outcomes = await this.#insert(transaction, calls.flat());
    let start = 0;
    return calls.map(({ length }) => outcomes.slice(start, (start += length)));
  }

  async #insert(transaction: Transaction, jobs: readonly NewJob[]): Promise<EnqueueOutcome[]> {
    const inserted = await transaction.query<Inserted>(enqueue, [
      ...columns(jobs),
      this.config.QUEUE_DEFAULT_MAX_RETRIES,
      this.config.QUEUE_DEFAULT_TIMEOUT_SECS,
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
      const { organizationId, id, queueName, priority, scheduledAt, waitsFor } = jobs[ord - 1]!;
      const transition = { organizationId, jobId: id, queueName, rev: 1, at };
      events.add(organizationId, jobCreated(transition, priority, status));
      if (status === 'pending' && waitsFor === null) ready.add(organizationId, queueName);
      if (status === 'scheduled' && (earliest === undefined || scheduledAt! < earliest)) {
        earliest = scheduledAt!;
      }
    }
    this.eventLog.append(transaction, events.entries());
    transaction.afterCommit(() => {
      this.metrics
        .counter({ name: 'spooled_jobs_enqueued_total', help: 'Jobs inserted.' })
        .inc(inserted.length);
      this.work.announce(ready);
      if (earliest !== undefined) this.work.announceDue(new Date(earliest));
    });
  }
}

interface Inserted {
  readonly ord: number;
  readonly status: 'pending' | 'scheduled';
  readonly created_at: Date;
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
    jobs.map((job) => job.waitsFor),
  ];
}
