import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Plans } from '@spooled/access';
import { Database, type Statement } from '@spooled/postgres';
import { pruneAttempts } from '../jobs/store/attempt.sql.js';
import { Loops } from './loops.js';
import { organizationsWithJobs, pruneFinished, pruneWorkflows } from './maintenance.sql.js';

/** Small enough that no other statement waits long behind one. */
const BATCH = 1000;
const EVERY_MS = 3_600_000;
const FIRST_ORGANIZATION = '00000000-0000-0000-0000-000000000000';

/** Finished jobs and attempts older than the plan keeps them are forgotten, in bounded batches (docs/adr/0007). */
@Injectable()
export class RetentionPruner implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly plans: Plans,
    private readonly loops: Loops,
  ) {}

  onModuleInit(): void {
    this.loops.add('jobs.retention', (signal) => this.prune(signal));
  }

  /** One pass over all organizations. */
  async prune(signal: AbortSignal): Promise<number> {
    let after = FIRST_ORGANIZATION;
    while (!signal.aborted) {
      const rows = await this.database.maintenance((transaction) =>
        transaction.query<{ organization_id: string }>(organizationsWithJobs, [after]),
      );
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.organization_id;
      const plans = await this.plans.many(rows.map(({ organization_id }) => organization_id));
      for (const [organizationId, plan] of plans) {
        // Jobs of a workflow stay as long as the workflow does.
        await this.#prune(pruneWorkflows, organizationId, plan.job_retention_days, signal);
        await this.#prune(pruneFinished, organizationId, plan.job_retention_days, signal);
        await this.#prune(pruneAttempts, organizationId, plan.history_retention_days, signal);
      }
    }
    return EVERY_MS;
  }

  async #prune(
    statement: Statement,
    organizationId: string,
    retentionDays: number,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      const [row] = await this.database.query<{ pruned: number }>([organizationId], statement, [
        organizationId,
        retentionDays,
        BATCH,
      ]);
      if ((row?.pruned ?? 0) < BATCH) return;
    }
  }
}
