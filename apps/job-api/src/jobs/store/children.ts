import { Injectable } from '@nestjs/common';
import { Metrics } from '@spooled/telemetry';
import type { Transaction } from '@spooled/postgres';
import { QueuesByOrganization, type EventsByOrganization } from '../by-organization.js';
import { statusChanged } from '../domain/job-events.js';
import { WorkSignal } from '../work-signal.js';
import { cancelChildren, parentsAmong, releaseChildren } from './job.sql.js';

interface Parent {
  readonly organization_id: string;
  readonly id: string;
}

interface Child extends Parent {
  readonly queue_name: string;
  readonly rev: number;
  readonly at: Date;
}

/** Jobs that wait for a parent: moved on in the very transaction that ends it. */
@Injectable()
export class Children {
  constructor(
    private readonly work: WorkSignal,
    private readonly metrics: Metrics,
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
    const rows = await transaction.query<Child & { is_scheduled: boolean }>(
      releaseChildren,
      columns(parents),
    );
    const ready = new QueuesByOrganization();
    for (const row of rows) {
      if (row.is_scheduled) {
        events.add(row.organization_id, statusChanged(moved(row), 'pending', 'scheduled'));
      } else ready.add(row.organization_id, row.queue_name);
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
      const rows = await transaction.query<Child>(cancelChildren, columns(generation));
      for (const row of rows) {
        const more = { reason: 'parent_not_completed' };
        events.add(row.organization_id, statusChanged(moved(row), 'pending', 'cancelled', more));
      }
      transaction.afterCommit(() =>
        this.metrics
          .counter({ name: 'spooled_jobs_cancelled_total', help: 'Jobs cancelled.' })
          .inc(rows.length),
      );
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
