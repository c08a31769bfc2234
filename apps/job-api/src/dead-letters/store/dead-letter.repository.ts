import { Injectable } from '@nestjs/common';
import { recordAction } from '@spooled/audit';
import type { AuditActor, DeadLetter, JobStatus, PlanLimits } from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import { Database, type Transaction } from '@spooled/postgres';
import { Metrics } from '@spooled/telemetry';
import { EventsByOrganization, QueuesByOrganization } from '../../jobs/by-organization.js';
import { statusChanged } from '../../jobs/domain/job-events.js';
import {
  toSummary,
  type Scope,
  type SummaryRow,
  type Witness,
} from '../../jobs/store/job.repository.js';
import { rarityOf } from '../../jobs/store/rarity.js';
import { WorkSignal } from '../../jobs/work-signal.js';
import { holdCounts } from '../../quotas/quotas.js';
import { WorkflowProgress } from '../../workflows/store/workflow-progress.js';
import * as deadLetterSql from './dead-letter.sql.js';

/** Which dead letters are listed; null = no matter. */
export interface DeadLetterFilter {
  readonly queueName: string | null;
  readonly tag: string | null;
  readonly limit: number;
  readonly offset: number;
}

/** The oldest dead letters, of these; null = no matter. */
export interface OldestSelection {
  readonly queueName: string | null;
  readonly tag: string | null;
  readonly jobType: string | null;
  readonly limit: number;
}

/** Dead letters by id, in any queue or in one. */
export interface GivenSelection {
  readonly jobIds: readonly string[];
  readonly queueName: string | null;
}

/** Small enough that no other statement waits long behind one. */
const PURGE_BATCH = 500;

/** Jobs whose retries are spent. */
@Injectable()
export class DeadLetterRepository {
  readonly #retried;
  readonly #purged;

  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
    private readonly workflows: WorkflowProgress,
    private readonly work: WorkSignal,
    metrics: Metrics,
  ) {
    this.#retried = metrics.counter({
      name: 'spooled_dead_letters_retried_total',
      help: 'Dead letters returned to pending together.',
    });
    this.#purged = metrics.counter({
      name: 'spooled_dead_letters_purged_total',
      help: 'Dead letters deleted on request.',
    });
  }

  async list(scope: Scope, filter: DeadLetterFilter): Promise<DeadLetter[]> {
    const { queueName, tag, limit, offset } = filter;
    const statement = deadLetterSql.list({
      hasQueue: queueName !== null,
      hasScope: scope.queues !== null,
      tag: await rarityOf(this.database, scope.organizationId, 'tag', tag),
    });
    const values = [scope.organizationId, queueName, scope.queues, tag, limit, offset];
    const rows = await this.database.query<ListRow>([scope.organizationId], statement, values);
    return rows.map(toDeadLetter);
  }

  /** Those of the jobs that are dead letters, in the order given. */
  async listByIds(organizationId: string, ids: readonly string[]): Promise<DeadLetter[]> {
    const values = [organizationId, ids];
    const rows = await this.database.query<ListRow>(
      [organizationId],
      deadLetterSql.listByIds,
      values,
    );
    const byId = new Map(rows.map((row) => [row.id, toDeadLetter(row)]));
    return ids.flatMap((id) => byId.get(id) ?? []);
  }

  /**
   * Returns dead letters to pending: all that are selected or, when the plan has no room for them, none. Answers their
   * ids, longest dead first.
   * @throws AppError `QUOTA_EXCEEDED`, `FEATURE_DISABLED` when they would be too many active jobs
   */
  async retry(
    organizationId: string,
    plan: PlanLimits,
    which: GivenSelection | OldestSelection,
    witness?: Witness,
  ): Promise<string[]> {
    const select = await this.#toRetry(organizationId, which);
    return this.database.transaction([organizationId], async (transaction) => {
      const counts =
        plan.max_active_jobs === null
          ? undefined
          : (await holdCounts(transaction, [organizationId])).get(organizationId);
      const rows = await select(transaction);
      const refusal = counts?.add(plan, { revivedJobs: rows.length }) ?? null;
      if (refusal !== null) throw refusal;
      const events = new EventsByOrganization();
      const ready = new QueuesByOrganization();
      for (const { id, queue_name: queueName, status, rev, at } of rows) {
        const transition = { organizationId, jobId: id, queueName, rev, at };
        events.add(organizationId, statusChanged(transition, status, 'pending'));
        ready.add(organizationId, queueName);
      }
      this.workflows.touch(transaction, rows);
      this.eventLog.append(transaction, events.entries());
      if (rows.length > 0) witness?.(transaction, rows.length);
      transaction.afterCommit(() => {
        this.#retried.inc(rows.length);
        this.work.announce(ready);
      });
      return rows.map(({ id }) => id);
    });
  }

  /**
   * Deletes dead letters with everything that belongs to them, a batch at a time: what was deleted before a crash stays
   * so. Answers how many of which queue.
   */
  async purge(
    organizationId: string,
    selection: OldestSelection & { readonly givenUpBefore: string | null },
    actor: AuditActor,
  ): Promise<ReadonlyMap<string, number>> {
    const purged = new Map<string, number>();
    const { queueName, tag, jobType, givenUpBefore } = selection;
    const statement = deadLetterSql.purge(await this.#shapeOf(organizationId, selection));
    for (let left = selection.limit; left > 0;) {
      const batch = Math.min(left, PURGE_BATCH);
      const rows = await this.database.transaction([organizationId], async (transaction) => {
        const gone = await transaction.query<PurgedRow>(statement, [
          organizationId,
          queueName,
          batch,
          tag,
          jobType,
          givenUpBefore,
        ]);
        this.workflows.touch(transaction, gone);
        if (gone.length > 0) {
          recordAction(transaction, {
            organizationId,
            actor,
            action: 'dead_letters.purged',
            details: {
              queue_name: queueName,
              ...(tag !== null && { tag }),
              ...(jobType !== null && { job_type: jobType }),
              older_than: givenUpBefore,
              count: gone.length,
            },
          });
        }
        return gone;
      });
      for (const { queue_name } of rows) purged.set(queue_name, (purged.get(queue_name) ?? 0) + 1);
      this.#purged.inc(rows.length);
      if (rows.length < batch) break;
      left -= batch;
    }
    return purged;
  }

  /** What retries them, once the way to look for them is known. */
  async #toRetry(organizationId: string, which: GivenSelection | OldestSelection) {
    if ('jobIds' in which) {
      const queues = which.queueName === null ? null : [which.queueName];
      return (transaction: Transaction) =>
        transaction.query<RetriedRow>(deadLetterSql.retryByIds, [
          organizationId,
          queues,
          which.jobIds,
        ]);
    }
    const { queueName, limit, tag, jobType } = which;
    const statement = deadLetterSql.retryOldest(await this.#shapeOf(organizationId, which));
    return (transaction: Transaction) =>
      transaction.query<RetriedRow>(statement, [organizationId, queueName, limit, tag, jobType]);
  }

  async #shapeOf(
    organizationId: string,
    { queueName, tag, jobType }: OldestSelection,
  ): Promise<deadLetterSql.OldestShape> {
    return {
      hasQueue: queueName !== null,
      tag: await rarityOf(this.database, organizationId, 'tag', tag),
      jobType: await rarityOf(this.database, organizationId, 'type', jobType),
    };
  }
}

interface ListRow extends SummaryRow {
  readonly organization_id: string;
  readonly payload: unknown;
  readonly is_short: boolean;
  readonly tags: unknown;
  readonly timeout_seconds: number;
  readonly reason: string | null;
}
interface RetriedRow {
  readonly organization_id: string;
  readonly id: string;
  readonly queue_name: string;
  readonly status: JobStatus;
  readonly rev: number;
  readonly workflow_id: string | null;
  readonly at: Date;
}
interface PurgedRow {
  readonly organization_id: string;
  readonly queue_name: string;
  readonly workflow_id: string | null;
}

function toDeadLetter(row: ListRow): DeadLetter {
  return {
    ...toSummary(row),
    organization_id: row.organization_id,
    ...(row.is_short ? { payload: row.payload } : {}),
    tags: row.tags,
    timeout_seconds: row.timeout_seconds,
    reason: row.reason,
    updated_at: row.updated_at.toISOString(),
  };
}
