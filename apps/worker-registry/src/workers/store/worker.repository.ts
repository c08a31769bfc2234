import { Injectable } from '@nestjs/common';
import type { WorkerStatus } from '@spooled/contracts';
import { Database, type Transaction } from '@spooled/postgres';
import type { EndCause, WorkerRow } from '../domain/worker.js';
import * as statements from './worker.sql.js';

export interface Registration {
  readonly id: string;
  readonly queueName: string;
  readonly hostname: string;
  readonly workerType: string | null;
  readonly version: string | null;
  readonly maxConcurrency: number;
  readonly metadata: Record<string, unknown>;
}

export interface Report {
  readonly organizationId: string;
  readonly id: string;
  readonly status: WorkerStatus;
  readonly currentJobs: number;
  /** Null keeps the stored one. */
  readonly metadata: Record<string, unknown> | null;
  /** Whether the worker may come to count against the plan; whoever says yes holds the lock and has counted. */
  readonly mayTakeSlot: boolean;
}

/** What became of a report of a known worker: taken in, refused because it ended, or in need of a slot of the plan. */
export interface ReportRow {
  readonly organization_id: string;
  readonly id: string;
  readonly verdict: 'taken' | 'ended' | 'needs-slot';
  readonly queue_name: string;
  readonly status: WorkerStatus;
  readonly at: Date;
}

/** A worker that just ended. */
export interface EndedRow {
  readonly organization_id: string;
  readonly id: string;
  readonly queue_name: string;
  readonly updated_at: Date;
}

/** A mark that a worker's jobs are still to be given back. */
export interface ReleaseRow {
  readonly organization_id: string;
  readonly id: string;
  readonly release_cause: EndCause;
  /** When the worker ended: an instant with microseconds, which a `Date` would lose. */
  readonly release_since: string;
}

export interface WorkerCounts {
  readonly total: number;
  readonly active: number;
  readonly healthy: number;
  readonly degraded: number;
}

@Injectable()
export class WorkerRepository {
  constructor(private readonly database: Database) {}

  async find(organizationId: string, id: string): Promise<WorkerRow | null> {
    const values = [organizationId, id];
    const [row] = await this.database.query<WorkerRow>([organizationId], statements.find, values);
    return row ?? null;
  }

  /** At most 100, newest heartbeat first; no queues = of every queue. */
  async list(organizationId: string, queues: readonly string[]): Promise<WorkerRow[]> {
    const values = [organizationId, queues.length === 0 ? null : queues];
    return this.database.query<WorkerRow>([organizationId], statements.list, values);
  }

  async countHealthy(organizationId: string, queueName: string): Promise<number> {
    const [row] = await this.database.query<{ healthy: number }>(
      [organizationId],
      statements.countHealthy,
      [organizationId, queueName],
    );
    return row?.healthy ?? 0;
  }

  async presence(
    organizationId: string,
    queueName: string,
  ): Promise<{ healthy: number; lastSeenAt: string | null }> {
    const [row] = await this.database.query<{ healthy: number; last_seen_at: Date | null }>(
      [organizationId],
      statements.presence,
      [organizationId, queueName],
    );
    return {
      healthy: row?.healthy ?? 0,
      lastSeenAt: row?.last_seen_at?.toISOString() ?? null,
    };
  }

  /** Registered workers of the named queues, or of all when null; `counted` are those that take a slot. */
  async summarize(
    organizationId: string,
    queueNames: readonly string[] | null,
  ): Promise<{ total: number; healthy: number; counted: number }> {
    const [row] = await this.database.query<{ total: number; healthy: number; counted: number }>(
      [organizationId],
      statements.summarize,
      [organizationId, queueNames],
    );
    return row!;
  }

  /** Over all organizations: registered workers, and which of them are not offline, healthy, degraded. */
  async countEverywhere(): Promise<WorkerCounts> {
    const [row] = await this.database.maintenance((tx) =>
      tx.query<WorkerCounts>(statements.countEverywhere),
    );
    return row!;
  }

  /** Claims the id for the organization. `false` when it is another's. */
  async claimId(tx: Transaction, organizationId: string, id: string): Promise<boolean> {
    // A second time, because the pruner may have freed the id between the two statements.
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const values = [id, organizationId];
      const [, owned] = await Promise.all([
        tx.query(statements.claimId, values),
        tx.query(statements.ownsId, values),
      ]);
      if (owned.length > 0) return true;
    }
    return false;
  }

  async lockSlots(tx: Transaction, organizationId: string): Promise<void> {
    await tx.query(statements.lockSlots, [organizationId]);
  }

  async countSlots(tx: Transaction, organizationId: string): Promise<number> {
    const [row] = await tx.query<{ taken: number }>(statements.countSlots, [organizationId]);
    return row?.taken ?? 0;
  }

  async lock(tx: Transaction, organizationId: string, id: string): Promise<WorkerRow | null> {
    const [row] = await tx.query<WorkerRow>(statements.lock, [organizationId, id]);
    return row ?? null;
  }

  async register(
    tx: Transaction,
    organizationId: string,
    worker: Registration,
  ): Promise<WorkerRow> {
    const [row] = await tx.query<WorkerRow>(statements.register, [
      organizationId,
      worker.id,
      worker.queueName,
      worker.hostname,
      worker.workerType,
      worker.version,
      worker.maxConcurrency,
      JSON.stringify(worker.metadata),
    ]);
    return row!;
  }

  /** Takes reports of different workers; unknown ones are absent from the answer. */
  async report(tx: Transaction, reports: readonly Report[]): Promise<ReportRow[]> {
    return tx.query<ReportRow>(statements.report, [
      reports.map((report) => report.organizationId),
      reports.map((report) => report.id),
      reports.map((report) => report.status),
      reports.map((report) => report.currentJobs),
      reports.map(({ metadata }) => (metadata === null ? null : JSON.stringify(metadata))),
      reports.map((report) => report.mayTakeSlot),
    ]);
  }

  /** `null` when it had ended before. */
  async deregister(
    tx: Transaction,
    organizationId: string,
    id: string,
  ): Promise<(EndedRow & { readonly release_since: string }) | null> {
    const [row] = await tx.query<EndedRow & { release_since: string }>(statements.deregister, [
      organizationId,
      id,
    ]);
    return row ?? null;
  }

  async confirmEnd(tx: Transaction, organizationId: string, id: string): Promise<void> {
    await tx.query(statements.confirmEnd, [organizationId, id]);
  }

  async sweepStale(tx: Transaction, silentSecs: number): Promise<EndedRow[]> {
    return tx.query<EndedRow>(statements.sweepStale, [silentSecs]);
  }

  async pendingReleases(): Promise<ReleaseRow[]> {
    return this.database.maintenance((tx) => tx.query<ReleaseRow>(statements.pendingReleases));
  }

  async released({ organization_id, id, release_since }: ReleaseRow): Promise<void> {
    const values = [organization_id, id, release_since];
    await this.database.query([organization_id], statements.released, values);
  }

  async usages(
    ids: readonly string[],
  ): Promise<{ readonly organizationId: string; readonly workers: number }[]> {
    const rows = await this.database.query<{ organization_id: string; workers: number }>(
      ids,
      statements.usages,
      [ids],
    );
    return rows.map(({ organization_id: organizationId, workers }) => ({
      organizationId,
      workers,
    }));
  }

  async forget(organizationId: string): Promise<void> {
    await this.database.maintenance((tx) => tx.query(statements.forget, [organizationId]));
  }

  /** Answers how many were forgotten. */
  async prune(olderThanDays: number): Promise<number> {
    const rows = await this.database.maintenance((tx) =>
      tx.query(statements.prune, [olderThanDays]),
    );
    return rows.length;
  }
}
