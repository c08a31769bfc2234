import { Injectable } from '@nestjs/common';
import { EventLog, type EventLogEntry } from '@spooled/event-log';
import { Database, type Transaction } from '@spooled/postgres';
import type { RunRow } from '../domain/run.js';
import type { ScheduleRow } from '../domain/schedule.js';
import * as statements from './run.sql.js';

/** What the job of a schedule is made of. */
export type Body = Pick<
  ScheduleRow,
  | 'organization_id'
  | 'id'
  | 'queue_name'
  | 'payload_template'
  | 'priority'
  | 'max_retries'
  | 'timeout_seconds'
  | 'tags'
>;

/** A schedule that is due. Payload and tags are there when they are small. */
export interface DueRow extends Body {
  readonly cron_expression: string;
  readonly timezone: string;
  readonly body_bytes: number;
  readonly tick_ms: number;
  readonly now_ms: number;
  /** An earlier fire is still to be sent. */
  readonly is_waiting: boolean;
}

/** Up to this size payloads are read with the schedules that are due; larger ones right before they are sent. */
export const SMALL_BODY_BYTES = 4096;

/** What becomes of a schedule that was due: when it is due again, and the run that begins, if any. */
export interface Fire {
  readonly organizationId: string;
  readonly scheduleId: string;
  readonly tick: Date;
  readonly nextRunAt: Date;
  readonly run: Run | null;
}

export interface RunKey {
  readonly organizationId: string;
  /** Of the run, and of its job. */
  readonly id: string;
  readonly scheduleId: string;
}

/** A run whose job is to be enqueued. */
export interface Run extends RunKey {
  /** Null: still to be read. */
  readonly body: Body | null;
  /** Of what is sent. */
  readonly bodyBytes: number;
  /** Since it began. */
  readonly ageMs: number;
}

/** How a run ended: without an error message the job is enqueued, in that queue. */
export interface RunEnd {
  readonly run: RunKey;
  readonly queueName: string | null;
  readonly errorMessage: string | null;
}

export interface EndedRow {
  readonly organization_id: string;
  readonly id: string;
  readonly status: 'completed' | 'failed';
  /** From the tick to the end; null when it was triggered. */
  readonly lag_secs: number | null;
  readonly at: Date;
}

interface UnsentRow {
  readonly organization_id: string;
  readonly id: string;
  readonly schedule_id: string;
  readonly age_ms: number;
  readonly body_bytes: number | null;
}

@Injectable()
export class RunRepository {
  constructor(
    private readonly database: Database,
    private readonly eventLog: EventLog,
  ) {}

  async due(tx: Transaction, limit: number): Promise<DueRow[]> {
    return tx.query<DueRow>(statements.due, [limit, SMALL_BODY_BYTES]);
  }

  /** Milliseconds until the next schedule is due; null when there is none. */
  async untilDue(tx: Transaction): Promise<number | null> {
    const [row] = await tx.query<{ delay_ms: number | null }>(statements.untilDue);
    return row?.delay_ms ?? null;
  }

  async fire(tx: Transaction, fires: readonly Fire[], resendAfterSecs: number): Promise<void> {
    await tx.query(statements.fire, [
      plainArray(fires.map((fire) => fire.organizationId)),
      plainArray(fires.map((fire) => fire.scheduleId)),
      plainArray(fires.map((fire) => fire.tick.toISOString())),
      plainArray(fires.map((fire) => fire.nextRunAt.toISOString())),
      plainArray(fires.map((fire) => fire.run?.id ?? null)),
      resendAfterSecs,
    ]);
  }

  /** Answers when the run began; null when there is no such schedule. */
  async trigger(run: RunKey, resendAfterSecs: number): Promise<Date | null> {
    const values = [run.organizationId, run.scheduleId, run.id, resendAfterSecs];
    const [row] = await this.database.query<{ started_at: Date }>(
      [run.organizationId],
      statements.trigger,
      values,
    );
    return row?.started_at ?? null;
  }

  /** By schedule id; schedules that are gone are absent. */
  async bodies(runs: readonly Run[]): Promise<ReadonlyMap<string, Body>> {
    if (runs.length === 0) return new Map();
    const rows = await this.database.maintenance((tx) =>
      tx.query<Body>(statements.bodies, [
        runs.map((run) => run.organizationId),
        runs.map((run) => run.scheduleId),
      ]),
    );
    return new Map(rows.map((row) => [row.id, row]));
  }

  /** Ends runs, and tells of those whose job is enqueued; a run ends once. */
  async end(ends: readonly RunEnd[]): Promise<EndedRow[]> {
    if (ends.length === 0) return [];
    return this.database.maintenance(async (tx) => {
      const ended = await tx.query<EndedRow>(statements.end, [
        plainArray(ends.map(({ run }) => run.organizationId)),
        plainArray(ends.map(({ run }) => run.id)),
        plainArray(
          ends.map(({ errorMessage }) => (errorMessage === null ? 'completed' : 'failed')),
        ),
        ends.map(({ errorMessage }) => errorMessage),
      ]);
      this.eventLog.append(tx, triggered(ends, ended));
      return ended;
    });
  }

  async postpone(runs: readonly Run[], secs: number): Promise<void> {
    if (runs.length === 0) return;
    await this.database.maintenance((tx) =>
      tx.query(statements.postpone, [
        runs.map((run) => run.organizationId),
        runs.map((run) => run.id),
        secs,
      ]),
    );
  }

  /** Runs to be sent again, taken for `forSecs` seconds. */
  async takeUnsent(limit: number, forSecs: number): Promise<Run[]> {
    const rows = await this.database.maintenance((tx) =>
      tx.query<UnsentRow>(statements.takeUnsent, [limit, forSecs]),
    );
    return rows.map((row) => ({
      organizationId: row.organization_id,
      id: row.id,
      scheduleId: row.schedule_id,
      body: null,
      bodyBytes: row.body_bytes ?? 0,
      ageMs: row.age_ms,
    }));
  }

  async history(
    organizationId: string,
    scheduleId: string,
    limit: number,
    offset: number,
  ): Promise<RunRow[]> {
    const values = [organizationId, scheduleId, limit, offset];
    return this.database.query<RunRow>([organizationId], statements.history, values);
  }

  /** Organizations that have runs: a page after `after`, in order. */
  async organizations(after: string, limit: number): Promise<string[]> {
    const rows = await this.database.maintenance((tx) =>
      tx.query<{ organization_id: string }>(statements.organizationsWithRuns, [after, limit]),
    );
    return rows.map(({ organization_id }) => organization_id);
  }

  /** Forgets runs that ended and are older than an id. Answers how many there were, at most `limit`. */
  async prune(organizationId: string, olderThan: string, limit: number): Promise<number> {
    const rows = await this.database.maintenance((tx) =>
      tx.query(statements.prune, [organizationId, olderThan, limit]),
    );
    return rows.length;
  }
}

function triggered(ends: readonly RunEnd[], ended: readonly EndedRow[]): EventLogEntry[] {
  const byId = new Map(ends.map((end) => [end.run.id, end]));
  return ended
    .filter(({ status }) => status === 'completed')
    .map(({ organization_id: organizationId, id, at }) => {
      const { run, queueName } = byId.get(id)!;
      const data = {
        schedule_id: run.scheduleId,
        job_id: id,
        queue_name: queueName ?? '',
        timestamp: at.toISOString(),
      };
      return { organizationId, events: [{ type: 'ScheduleTriggered' as const, data }] };
    });
}

/** An array of ids, instants and words, as PostgreSQL reads it. The driver looks for what to escape in each of them. */
function plainArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}
