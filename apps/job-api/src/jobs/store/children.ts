import { Injectable } from '@nestjs/common';
import type { JobStatus } from '@spooled/contracts';
import type { Transaction } from '@spooled/postgres';
import { QueuesByOrganization, type EventsByOrganization } from '../by-organization.js';
import { statusChanged } from '../domain/job-events.js';
import { WorkflowProgress } from '../../workflows/store/workflow-progress.js';
import { JobMetrics } from '../job-metrics.js';
import { WorkSignal } from '../work-signal.js';
import { cancelChildren, parentsAmong, releaseChildren } from './dependency.sql.js';

interface Parent {
  readonly organization_id: string;
  readonly id: string;
}

interface Child extends Parent {
  readonly queue_name: string;
  readonly rev: number;
  readonly at: Date;
}

interface CancelledChild extends Child {
  readonly status: JobStatus;
  readonly workflow_id: string | null;
}

/** Jobs that depend on others: moved on in the very transaction that ends those. */
@Injectable()
export class Children {
  constructor(
    private readonly work: WorkSignal,
    private readonly workflows: WorkflowProgress,
    private readonly metrics: JobMetrics,
  ) {}

  /**
   * Tells of jobs that this transaction ends whether others wait for them. Ask after (it may be in the same flight as)
   * the statement that ends them: from then on nobody can become their child.
   */
  async among(
    transaction: Transaction,
    ended: readonly Parent[],
  ): Promise<(job: Parent) => boolean> {
    if (ended.length === 0) return () => false;
    const rows = await transaction.query<Parent>(parentsAmong, columns(ended));
    const parents = new Set(rows.map(({ id }) => id));
    return ({ id }) => parents.has(id);
  }

  /** The parents completed. */
  async release(
    transaction: Transaction,
    parents: readonly Parent[],
    events: EventsByOrganization,
  ): Promise<void> {
    if (parents.length === 0) return;
    const rows = await transaction.query<Child & { status: JobStatus }>(
      releaseChildren,
      columns(parents),
    );
    const ready = new QueuesByOrganization();
    for (const row of rows) {
      const { organization_id, status, queue_name } = row;
      ready.add(organization_id, queue_name);
      // One that was pending is so still: nothing changed that a client could see.
      if (status === 'scheduled')
        events.add(organization_id, statusChanged(moved(row), status, 'pending'));
    }
    transaction.afterCommit(() => {
      this.work.announce(ready);
      this.work.announceDue(new Date());
    });
  }

  /** The parents ended otherwise; their children, and theirs in turn, are cancelled. */
  async cancel(
    transaction: Transaction,
    parents: readonly Parent[],
    events: EventsByOrganization,
  ): Promise<void> {
    let generation = parents;
    while (generation.length > 0) {
      const rows = await transaction.query<CancelledChild>(cancelChildren, columns(generation));
      this.workflows.touch(transaction, rows);
      for (const row of rows) {
        const more = { reason: 'dependency_not_completed' };
        events.add(row.organization_id, statusChanged(moved(row), row.status, 'cancelled', more));
      }
      transaction.afterCommit(() => this.metrics.cancelled.inc(rows.length));
      generation = rows;
    }
  }
}

function columns(parents: readonly Parent[]): unknown[][] {
  return [parents.map(({ organization_id }) => organization_id), parents.map(({ id }) => id)];
}

function moved({ organization_id, id, queue_name, rev, at }: Child) {
  return { organizationId: organization_id, jobId: id, queueName: queue_name, rev, at };
}
