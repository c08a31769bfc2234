import { Injectable } from '@nestjs/common';
import type { ClaimedJob } from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import { Database, type Transaction } from '@spooled/postgres';
import { EventsByOrganization, QueuesByOrganization } from '../by-organization.js';
import { statusChanged } from '../domain/job-events.js';
import { WorkSignal } from '../work-signal.js';
import { WorkflowProgress } from '../../workflows/store/workflow-progress.js';
import * as claimSql from './claim.sql.js';
import { transition, type MovedRow } from './moved-row.js';
import { QueueHeads, START, type Look, type Place } from './queue-heads.js';

export interface ClaimCall {
  readonly organizationId: string;
  readonly queueName: string;
  readonly workerId: string;
  readonly limit: number;
  readonly leaseSecs: number;
}

/** What a claim gets; the contract of REST has a part of it. */
export interface LeasedJob extends ClaimedJob {
  readonly scheduled_at: Date | null;
  readonly started_at: Date;
  readonly last_error: string | null;
  readonly idempotency_key: string | null;
}

export interface ClaimOutcome {
  readonly jobs: readonly LeasedJob[];
  /** The queue's rate limit held jobs back: there may be more in a moment. */
  readonly isPaced: boolean;
}

/** Takes leases for workers, and gives back those that did not reach them. */
@Injectable()
export class Claims {
  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
    private readonly work: WorkSignal,
    private readonly workflows: WorkflowProgress,
    private readonly heads: QueueHeads,
  ) {}

  /** Leases jobs to several callers at once; answers in their order. */
  async claim(transaction: Transaction, calls: readonly ClaimCall[]): Promise<ClaimOutcome[]> {
    const looks = this.heads.looks(calls);
    const rows = await this.#pick(
      transaction,
      calls.map((call, index) => ({ call, ord: index + 1, after: looks[index]!.after })),
    );
    rows.push(...(await this.#pickMissed(transaction, calls, looks, rows)));
    const leased = rows.filter(isLeased);
    transaction.afterCommit(() => {
      const byLook = Map.groupBy(leased, ({ ord }) => looks[ord - 1]!);
      for (const look of new Set(looks)) look.end(byLook.get(look) ?? []);
    });
    this.#tell(transaction, leased);
    const byCall = Map.groupBy(rows, ({ ord }) => ord);
    return calls.map((_, index) => {
      const own = byCall.get(index + 1) ?? [];
      return {
        jobs: own.filter(isLeased).map(toLeasedJob),
        isPaced: own.some((row) => !isLeased(row)),
      };
    });
  }

  /** A look sees nothing of what is before its beginning: nobody goes away empty-handed because of that. */
  async #pickMissed(
    transaction: Transaction,
    calls: readonly ClaimCall[],
    looks: readonly Look[],
    rows: readonly PickedRow[],
  ): Promise<PickedRow[]> {
    const served = new Set(rows.map(({ ord }) => ord));
    const again = calls.flatMap((call, index) =>
      served.has(index + 1) || !looks[index]!.isPartial
        ? []
        : [{ call, ord: index + 1, after: START }],
    );
    if (again.length === 0) return [];
    const missed = await this.#pick(transaction, again);
    for (const { ord } of missed) looks[ord - 1]!.wasWrong();
    return missed;
  }

  /** Callers of one queue get neighbouring slots of what is picked there, in their order. */
  async #pick(transaction: Transaction, wanted: readonly Wanted[]): Promise<PickedRow[]> {
    const next = new Map<string, number>();
    const slots = wanted.map(({ call: { organizationId, queueName, limit } }) => {
      const name = `${organizationId} ${queueName}`;
      const from = next.get(name) ?? 1;
      next.set(name, from + limit);
      return { from, to: from + limit - 1 };
    });
    const rows = await transaction.query<PickedRow>(claimSql.claim, [
      wanted.map(({ call }) => call.organizationId),
      wanted.map(({ call }) => call.queueName),
      slots.map(({ from }) => from),
      slots.map(({ to }) => to),
      wanted.map(({ call }) => call.workerId),
      wanted.map(({ call }) => call.leaseSecs),
      wanted.map(({ after }) => after.priority),
      wanted.map(({ after }) => after.id),
    ]);
    return rows.map((row) => ({ ...row, ord: wanted[row.ord - 1]!.ord }));
  }

  #tell(transaction: Transaction, leased: readonly ClaimRow[]): void {
    const events = new EventsByOrganization();
    for (const row of leased) {
      const more = { workerId: row.worker_id };
      events.add(
        row.organization_id,
        statusChanged(
          { ...transition(row), traceparent: row.traceparent },
          'pending',
          'processing',
          more,
        ),
      );
    }
    this.workflows.touch(transaction, leased);
    this.eventLog.append(transaction, events.entries());
  }

  /** Gives back what was leased but could not be delivered. */
  async unclaim(
    organizationId: string,
    jobs: readonly Pick<LeasedJob, 'id' | 'lease_id'>[],
  ): Promise<void> {
    await this.database.transaction([organizationId], async (transaction) => {
      const rows = await transaction.query<Omit<MovedRow, 'workflow_id'> & { worker_id: string }>(
        claimSql.unclaim,
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
}

/** A caller, its number in the group, and behind which place its jobs are looked for. */
interface Wanted {
  readonly call: ClaimCall;
  readonly ord: number;
  readonly after: Place;
}
interface ClaimRow extends MovedRow {
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
  readonly scheduled_at: Date | null;
  readonly last_error: string | null;
  readonly idempotency_key: string | null;
  readonly traceparent: string | null;
}
/** A caller that got less than it wanted because of the queue's rate limit. */
interface HeldBackRow {
  readonly ord: number;
  readonly id: null;
}
type PickedRow = ClaimRow | HeldBackRow;

function isLeased(row: PickedRow): row is ClaimRow {
  return row.id !== null;
}

function toLeasedJob(row: ClaimRow): LeasedJob {
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
    traceparent: row.traceparent,
    scheduled_at: row.scheduled_at,
    started_at: row.at,
    last_error: row.last_error,
    idempotency_key: row.idempotency_key,
  };
}
