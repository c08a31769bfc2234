import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { EventLog } from '@spooled/event-log';
import { Database, type Transaction } from '@spooled/postgres';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { JOB_API_CONFIG, type JobApiConfig } from '../config.js';
import { EventsByOrganization, QueuesByOrganization } from '../jobs/by-organization.js';
import { statusChanged } from '../jobs/domain/job-events.js';
import { JobMetrics } from '../jobs/job-metrics.js';
import { Children } from '../jobs/store/children.js';
import { traceparentsOf } from '../jobs/store/traceparents.js';
import { WorkSignal } from '../jobs/work-signal.js';
import { WorkflowProgress } from '../workflows/store/workflow-progress.js';
import { Loops } from './loops.js';
import { takeBackExpired, takeBackFromWorker } from './maintenance.sql.js';

const BATCH = 500;

interface LostRow {
  readonly organization_id: string;
  readonly id: string;
  readonly queue_name: string;
  readonly rev: number;
  readonly worker_id: string;
  readonly has_budget: boolean;
  readonly workflow_id: string | null;
  readonly at: Date;
}

/** Expired lease → pending or deadletter; and the leases of a worker that is gone. */
@Injectable()
export class LeaseReaper implements OnModuleInit {
  readonly #expired;

  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
    private readonly children: Children,
    private readonly workflows: WorkflowProgress,
    private readonly jobMetrics: JobMetrics,
    private readonly work: WorkSignal,
    private readonly loops: Loops,
    @Inject(JOB_API_CONFIG) private readonly config: JobApiConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.#expired = metrics.counter({
      name: 'spooled_lease_expiries_total',
      help: 'Leases that ran out or were lost with their worker.',
    });
  }

  onModuleInit(): void {
    this.loops.add('jobs.lease-reaper', async () => {
      const taken = await this.database.maintenance((transaction) =>
        this.#takeBack(transaction, null, 'lease_expired'),
      );
      return taken === BATCH ? 0 : this.config.LEASE_REAP_INTERVAL_MS;
    });
  }

  /**
   * Puts every job of a worker back; `requested` keeps the retry count, `stale` counts as a lost lease. `leasedBefore`:
   * only what it leased until then, because the worker may have come back since.
   */
  async releaseWorker(
    organizationId: string,
    workerId: string,
    cause: 'requested' | 'stale',
    leasedBefore: string | null,
  ): Promise<number> {
    const reason = cause === 'stale' ? 'worker_lost' : 'worker_deregistered';
    let released = 0;
    for (;;) {
      const taken = await this.database.transaction([organizationId], (transaction) =>
        this.#takeBack(transaction, { organizationId, workerId, leasedBefore }, reason),
      );
      released += taken;
      if (taken < BATCH) return released;
    }
  }

  async #takeBack(
    transaction: Transaction,
    worker: { organizationId: string; workerId: string; leasedBefore: string | null } | null,
    reason: 'lease_expired' | 'worker_lost' | 'worker_deregistered',
  ): Promise<number> {
    const costsTry = reason !== 'worker_deregistered';
    const rows =
      worker === null
        ? await transaction.query<LostRow>(takeBackExpired, [BATCH, costsTry])
        : await transaction.query<LostRow>(takeBackFromWorker, [
            BATCH,
            costsTry,
            worker.organizationId,
            worker.workerId,
            worker.leasedBefore,
          ]);
    const traceparents = await traceparentsOf(transaction, rows);
    const events = new EventsByOrganization();
    const ready = new QueuesByOrganization();
    for (const row of rows) {
      const { organization_id: organizationId, id, queue_name: queueName, rev, at } = row;
      const traceparent = traceparents.get(id);
      const transition = { organizationId, jobId: id, queueName, rev, at, traceparent };
      const status = row.has_budget ? 'pending' : 'deadletter';
      const more = { workerId: row.worker_id, reason };
      events.add(organizationId, statusChanged(transition, 'processing', status, more));
      if (row.has_budget) ready.add(organizationId, queueName);
    }
    const lost = rows.filter(({ has_budget }) => !has_budget);
    const isParent = await this.children.among(transaction, lost);
    await this.children.cancel(transaction, lost.filter(isParent), events);
    this.workflows.touch(transaction, lost);
    this.eventLog.append(transaction, events.entries());
    transaction.afterCommit(() => {
      this.work.announce(ready);
      if (rows.length === 0) return;
      if (costsTry) this.#expired.inc(rows.length);
      this.jobMetrics.deadLettered.inc(lost.length);
      this.logger.info({ jobs: rows.length, reason }, 'leases taken back');
    });
    return rows.length;
  }
}
