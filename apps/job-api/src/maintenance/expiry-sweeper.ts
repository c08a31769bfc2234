import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { JobStatus } from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import { Database } from '@spooled/postgres';
import type { Loop } from '@spooled/runtime';
import { EventsByOrganization } from '../jobs/by-organization.js';
import { statusChanged } from '../jobs/domain/job-events.js';
import { JobMetrics } from '../jobs/job-metrics.js';
import { Children } from '../jobs/store/children.js';
import { WorkflowProgress } from '../workflows/store/workflow-progress.js';
import { Loops } from './loops.js';
import { expire } from './maintenance.sql.js';

const BATCH = 500;
const EVERY_MS = 30_000;

interface ExpiredRow {
  readonly organization_id: string;
  readonly id: string;
  readonly queue_name: string;
  readonly status: JobStatus;
  readonly rev: number;
  readonly workflow_id: string | null;
  readonly at: Date;
}

/** `expires_at` passed before the job began → cancelled. */
@Injectable()
export class ExpirySweeper implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
    private readonly children: Children,
    private readonly workflows: WorkflowProgress,
    private readonly metrics: JobMetrics,
    private readonly loops: Loops,
  ) {}

  onModuleInit(): void {
    const loop = this.loops.add('jobs.expiry', () => this.#step(loop));
  }

  async #step(loop: Loop): Promise<number> {
    const expired = await this.database.maintenance(async (transaction) => {
      const rows = await transaction.query<ExpiredRow>(expire, [BATCH]);
      const events = new EventsByOrganization();
      for (const { organization_id: organizationId, id, queue_name, status, rev, at } of rows) {
        const transition = { organizationId, jobId: id, queueName: queue_name, rev, at };
        const more = { reason: 'expired' };
        events.add(organizationId, statusChanged(transition, status, 'cancelled', more));
      }
      const isParent = await this.children.among(transaction, rows);
      await this.children.cancel(transaction, rows.filter(isParent), events);
      this.workflows.touch(transaction, rows);
      this.eventLog.append(transaction, events.entries());
      transaction.afterCommit(() => this.metrics.cancelled.inc(rows.length));
      return rows.length;
    });
    loop.did(expired);
    return expired >= BATCH ? 0 : EVERY_MS;
  }
}
