import { Injectable } from '@nestjs/common';
import {
  AppError,
  canUseQueue,
  isUnrestricted,
  quotaRefusal,
  workerHeartbeat,
  type HeartbeatRequest,
  type Principal,
  type WorkerStatus,
} from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database, GroupCommit, type Lane, type Transaction } from '@spooled/postgres';
import { Metrics } from '@spooled/telemetry';
import { canBeWorkerId } from './domain/worker.js';
import { WorkerRepository, type Report, type ReportRow } from './store/worker.repository.js';

/** What a worker does all its life: say that it is alive. Reports that arrive together share one transaction. */
@Injectable()
export class HeartbeatService {
  readonly #reports: Lane<Report, ReportRow>;

  constructor(
    private readonly database: Database,
    private readonly workers: WorkerRepository,
    private readonly bus: Bus,
    metrics: Metrics,
  ) {
    this.#reports = new GroupCommit({ database, metrics }).lane<Report, ReportRow>({
      name: 'workers.report',
      organizationOf: ({ organizationId }) => organizationId,
      run: (transaction, reports) => this.#reportAll(transaction, reports),
    });
  }

  /**
   * Answers the status that is stored now: one that drains keeps draining, whatever it reports.
   * @throws AppError `NOT_FOUND`, `CONFLICT` for a worker that deregistered, `QUOTA_EXCEEDED` or `FEATURE_DISABLED` for
   * one that gave up its slot and finds none free.
   */
  async report(caller: Principal, id: string, request: HeartbeatRequest): Promise<WorkerStatus> {
    if (!canBeWorkerId(id)) throw unknown();
    const { organizationId } = caller;
    // Only a scoped key needs to look first: for the others the statement itself finds the worker or not.
    if (!isUnrestricted(caller)) {
      const worker = await this.workers.find(organizationId, id);
      if (worker === null || !canUseQueue(caller, worker.queue_name)) throw unknown();
    }
    const report: Report = {
      organizationId,
      id,
      status: request.status ?? 'healthy',
      currentJobs: request.current_jobs,
      metadata: request.metadata ?? null,
      mayTakeSlot: false,
    };
    let row = await this.#reports.submit(report);
    if (row.verdict === 'needs-slot') row = await this.#reportTakingSlot(caller, report);
    if (row.verdict === 'ended') {
      throw new AppError('CONFLICT', 'The worker has deregistered; register it again.');
    }
    this.bus.hint(workerHeartbeat, organizationId, {
      worker_id: id,
      status: row.status,
      current_job_id: null,
      timestamp: row.at.toISOString(),
      queue_name: row.queue_name,
      current_jobs: report.currentJobs,
    });
    return row.status;
  }

  async #reportAll(
    transaction: Transaction,
    reports: readonly Report[],
  ): Promise<(ReportRow | AppError)[]> {
    const answers = new Map<Report, ReportRow>();
    // One statement can change a row once: reports of the same worker take turns.
    for (const round of rounds(reports)) {
      const rows = await this.workers.report(transaction, [...round.values()]);
      for (const row of rows) {
        const report = round.get(nameOf(row.organization_id, row.id));
        if (report !== undefined) answers.set(report, row);
      }
    }
    return reports.map((report) => answers.get(report) ?? unknown());
  }

  /** The rare report after which a worker counts again: it queues up with the registrations. */
  async #reportTakingSlot(caller: Principal, report: Report): Promise<ReportRow> {
    const { organizationId } = caller;
    return this.database.transaction([organizationId], async (tx) => {
      const [, taken] = await Promise.all([
        this.workers.lockSlots(tx, organizationId),
        this.workers.countSlots(tx, organizationId),
      ]);
      const refusal = quotaRefusal(caller.plan, 'workers', taken);
      if (refusal !== null) throw refusal;
      const [row] = await this.workers.report(tx, [{ ...report, mayTakeSlot: true }]);
      if (row === undefined) throw unknown();
      return row;
    });
  }
}

/** Splits reports into rounds that name each worker once, in order. */
function rounds(reports: readonly Report[]): Map<string, Report>[] {
  const all: Map<string, Report>[] = [];
  for (const report of reports) {
    const name = nameOf(report.organizationId, report.id);
    const round = all.find((candidate) => !candidate.has(name));
    if (round === undefined) all.push(new Map([[name, report]]));
    else round.set(name, report);
  }
  return all;
}

function nameOf(organizationId: string, id: string): string {
  return `${organizationId} ${id}`;
}

function unknown(): AppError {
  return new AppError('NOT_FOUND', 'There is no such worker.');
}
