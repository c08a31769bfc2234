import {
  errorCatalogue,
  type ErrorCode,
  type JobStatus,
  type ScheduleRun,
  type ScheduleRunStatus,
} from '@spooled/contracts';

/** A run as it is stored. */
export interface RunRow {
  /** Of the run, and of its job. */
  readonly id: string;
  readonly schedule_id: string;
  readonly status: ScheduleRunStatus;
  readonly error_message: string | null;
  readonly started_at: Date;
  readonly completed_at: Date | null;
}

/** Why a job could not be enqueued. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** An answer that should not be, but may pass, is believed after this time. */
const GIVE_UP_AFTER_MS = 10 * 60_000;

/**
 * Whether asking again can help. A part that is away comes back, however long that takes; one that answers with an
 * error of its own is asked for a while; a refusal is an answer.
 */
export function isWorthRepeating({ code }: Refusal, ageMs: number): boolean {
  if (code === 'SERVICE_UNAVAILABLE') return true;
  return errorCatalogue[code].retryable && ageMs < GIVE_UP_AFTER_MS;
}

/** `jobStatus` is null when the job is not known, or nobody can be asked. */
export function toWire(row: RunRow, jobStatus: JobStatus | null): ScheduleRun {
  const hasJob = row.status === 'completed' || jobStatus !== null;
  return {
    id: row.id,
    schedule_id: row.schedule_id,
    job_id: hasJob ? row.id : null,
    status: row.status,
    error_message: row.error_message,
    started_at: row.started_at.toISOString(),
    completed_at: row.completed_at?.toISOString() ?? null,
    job_status: jobStatus,
  };
}
