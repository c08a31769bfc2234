import { Inject, Injectable } from '@nestjs/common';
import { recordAction } from '@spooled/audit';
import { AppError, type AuditActor, type JobStatus } from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import { Database, type Transaction } from '@spooled/postgres';
import { LOGGER, type Logger } from '@spooled/telemetry';
import { setTimeout as delay } from 'node:timers/promises';
import { EventsByOrganization } from '../../jobs/by-organization.js';
import { statusChanged } from '../../jobs/domain/job-events.js';
import { JobMetrics } from '../../jobs/job-metrics.js';
import { Children } from '../../jobs/store/children.js';
import { forgetDependencies } from '../../jobs/store/forget.sql.js';
import { WorkflowProgress } from '../../workflows/store/workflow-progress.js';
import * as removalSql from './queue-removal.sql.js';
import { dropPace } from './queue.sql.js';

/** Small enough that no other statement waits long behind one. */
const BATCH = 500;
/** Before jobs that somebody was moving are looked for again. */
const PAUSE_MS = 20;
/** Shorter than any request may take: clients that are told to try again go on where this left off. */
const MAX_MS = 20_000;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Removes a queue with all its jobs, whatever their state. The jobs go first, in batches that are told of as they go; the
 * configuration goes last. So after a crash in between the queue is still there, and removing it again does the rest.
 */
@Injectable()
export class QueueRemoval {
  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
    private readonly children: Children,
    private readonly workflows: WorkflowProgress,
    private readonly metrics: JobMetrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Jobs that are enqueued meanwhile may stay; the queue then exists because of them.
   * @throws AppError `SERVICE_UNAVAILABLE` when it takes too long: doing it again goes on
   */
  async remove(organizationId: string, queueName: string, actor: AuditActor): Promise<void> {
    const removal: Removal = { organizationId, queueName, actor, isRecorded: false };
    const queue = [organizationId, queueName];
    const [last] = await this.#query<{ id: string }>(organizationId, removalSql.lastJob, queue);
    const removed = last === undefined ? 0 : await this.#removeJobs(removal, last.id);
    await this.database.transaction([organizationId], async (transaction) => {
      await transaction.query(removalSql.quietDeltas, queue);
      transaction.send(removalSql.forgetActivity, queue);
      transaction.send(removalSql.removeConfiguration, queue);
      transaction.send(dropPace, queue);
      record(transaction, removal);
    });
    this.logger.info({ queue: queueName, jobs: removed }, 'queue removed');
  }

  /** Goes through the queue until nothing is left that was there when it began. */
  async #removeJobs(removal: Removal, last: string): Promise<number> {
    const endsAt = Date.now() + MAX_MS;
    let removed = 0;
    for (;;) {
      const pass = await this.#removePass(removal, last, endsAt);
      removed += pass.removed;
      if (pass.missed === 0) return removed;
      await delay(PAUSE_MS);
    }
  }

  /** Once through the queue. `missed` jobs were being moved by somebody else. */
  async #removePass(removal: Removal, last: string, endsAt: number) {
    const { organizationId, queueName } = removal;
    let removed = 0;
    let missed = 0;
    for (let after = FIRST_ID; ;) {
      if (Date.now() > endsAt) throw unfinished();
      const values = [organizationId, queueName, after, last, BATCH];
      const page = await this.#query<{ id: string }>(organizationId, removalSql.pageOfJobs, values);
      if (page.length === 0) return { removed, missed };
      const ids = page.map(({ id }) => id);
      after = ids.at(-1)!;
      const gone = await this.#removeBatch(removal, ids);
      removed += gone;
      missed += ids.length - gone;
    }
  }

  async #removeBatch(removal: Removal, ids: readonly string[]): Promise<number> {
    const { organizationId } = removal;
    return this.database.transaction([organizationId], async (transaction) => {
      const values = [organizationId, ids];
      const rows = await transaction.query<RemovedRow>(removalSql.removeJobs, values);
      const live = rows.filter(({ status }) => LIVE.has(status));
      const events = new EventsByOrganization();
      for (const { id, queue_name: queueName, status, rev, at } of live) {
        const transition = { organizationId, jobId: id, queueName, rev, at };
        const more = { reason: 'queue_deleted' };
        events.add(organizationId, statusChanged(transition, status, 'cancelled', more));
      }
      const isParent = await this.children.among(transaction, live);
      await this.children.cancel(transaction, live.filter(isParent), events);
      transaction.send(forgetDependencies, [organizationId, rows.map(({ id }) => id)]);
      this.workflows.touch(transaction, live);
      this.eventLog.append(transaction, events.entries());
      if (rows.length > 0) record(transaction, removal);
      transaction.afterCommit(() => this.metrics.cancelled.inc(live.length));
      return rows.length;
    });
  }

  #query<R>(
    organizationId: string,
    statement: typeof removalSql.lastJob,
    values: readonly unknown[],
  ): Promise<R[]> {
    return this.database.query<R>([organizationId], statement, values);
  }
}

/** One call's work. */
interface Removal {
  readonly organizationId: string;
  readonly queueName: string;
  readonly actor: AuditActor;
  isRecorded: boolean;
}

/** Written down with the first thing that is removed: a crash later leaves less of the queue, and who wanted it so. */
function record(transaction: Transaction, removal: Removal): void {
  if (removal.isRecorded) return;
  const { organizationId, actor, queueName: target } = removal;
  const details = { delete_jobs: true };
  recordAction(transaction, { organizationId, actor, action: 'queue.deleted', target, details });
  transaction.afterCommit(() => {
    removal.isRecorded = true;
  });
}

/** Those that had not ended: whoever watches them learns that they have now. */
const LIVE: ReadonlySet<JobStatus> = new Set(['pending', 'scheduled', 'processing']);

function unfinished(): AppError {
  const message = 'The queue has more jobs than can be deleted in one call; delete it again.';
  return new AppError('SERVICE_UNAVAILABLE', message, { retryAfterSecs: 1 });
}

interface RemovedRow {
  readonly organization_id: string;
  readonly id: string;
  readonly queue_name: string;
  readonly status: JobStatus;
  readonly rev: number;
  readonly workflow_id: string | null;
  readonly at: Date;
}
