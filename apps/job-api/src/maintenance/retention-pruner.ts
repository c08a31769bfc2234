import { Injectable, type OnModuleInit } from '@nestjs/common';
import { authRpc } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database } from '@spooled/postgres';
import { Loops } from './loops.js';
import { organizationsWithFinishedJobs, pruneFinished } from './maintenance.sql.js';

/** Small enough that no other statement waits long behind one. */
const BATCH = 1000;
const EVERY_MS = 3_600_000;
const FIRST_ORGANIZATION = '00000000-0000-0000-0000-000000000000';

/** Finished jobs older than the plan keeps them are forgotten, in bounded batches (docs/adr/0007). */
@Injectable()
export class RetentionPruner implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly bus: Bus,
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
        transaction.query<{ organization_id: string }>(organizationsWithFinishedJobs, [after]),
      );
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.organization_id;
      const { organizations } = await this.bus.request(authRpc.retention, {
        organizationIds: rows.map(({ organization_id }) => organization_id),
      });
      for (const { organizationId, jobRetentionDays } of organizations) {
        await this.#pruneOrganization(organizationId, jobRetentionDays, signal);
      }
    }
    return EVERY_MS;
  }

  async #pruneOrganization(
    organizationId: string,
    retentionDays: number,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      const [row] = await this.database.query<{ pruned: number }>([organizationId], pruneFinished, [
        organizationId,
        retentionDays,
        BATCH,
      ]);
      if ((row?.pruned ?? 0) < BATCH) return;
    }
  }
}
