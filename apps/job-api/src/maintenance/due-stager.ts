import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { EventLog } from '@spooled/event-log';
import { Database } from '@spooled/postgres';
import type { Loop } from '@spooled/runtime';
import { JOB_API_CONFIG, type JobApiConfig } from '../config.js';
import { EventsByOrganization, QueuesByOrganization } from '../jobs/by-organization.js';
import { statusChanged } from '../jobs/domain/job-events.js';
import { WorkSignal } from '../jobs/work-signal.js';
import { Loops } from './loops.js';
import { nextDue, stageDue } from './maintenance.sql.js';

const BATCH = 500;
/** Jobs that become due within one such moment are staged together. */
const MIN_SLEEP_MS = 10;

interface StagedRow {
  readonly organization_id: string;
  readonly id: string;
  readonly queue_name: string;
  readonly status: 'pending' | 'scheduled';
  readonly rev: number;
  readonly at: Date;
}

/** Scheduled and due, or done backing off → claimable. Sleeps until the next due time, not by a fixed beat. */
@Injectable()
export class DueStager implements OnModuleInit {
  #wakesAt = 0;

  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
    private readonly work: WorkSignal,
    private readonly loops: Loops,
    @Inject(JOB_API_CONFIG) private readonly config: JobApiConfig,
  ) {}

  onModuleInit(): void {
    const loop = this.loops.add('jobs.due-stager', () => this.#step(loop));
    this.work.onDue((at) => {
      if (at.getTime() < this.#wakesAt) loop.wake();
    });
  }

  async #step(loop: Loop): Promise<number> {
    // While a step is under way every due time that is announced leads to another step.
    this.#wakesAt = Infinity;
    const { staged, delayMs } = await this.database.maintenance(async (transaction) => {
      const rows = await transaction.query<StagedRow>(stageDue, [BATCH]);
      const events = new EventsByOrganization();
      const ready = new QueuesByOrganization();
      for (const { organization_id: organizationId, id, queue_name, status, rev, at } of rows) {
        ready.add(organizationId, queue_name);
        // A job that backed off was pending all the time: nothing changed that a client could see.
        if (status === 'pending') continue;
        const transition = { organizationId, jobId: id, queueName: queue_name, rev, at };
        events.add(organizationId, statusChanged(transition, 'scheduled', 'pending'));
      }
      const [next] = await transaction.query<{ delay_ms: number | null }>(nextDue);
      this.eventLog.append(transaction, events.entries());
      transaction.afterCommit(() => this.work.announce(ready));
      return { staged: rows.length, delayMs: next?.delay_ms ?? Infinity };
    });
    loop.did(staged);
    if (staged === BATCH) return 0;
    // Other instances' jobs are noticed at the latest after the interval.
    const sleepMs = Math.min(Math.max(delayMs, MIN_SLEEP_MS), this.config.WORK_POLL_INTERVAL_MS);
    this.#wakesAt = Date.now() + sleepMs;
    return sleepMs;
  }
}
