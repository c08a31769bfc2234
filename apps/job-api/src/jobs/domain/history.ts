import type { HistoryEvent, HistoryEventType, JobStatus } from '@spooled/contracts';

/** A job as its state and its body tell of it. */
export interface HistoryJob {
  readonly id: string;
  readonly status: JobStatus;
  readonly rev: number;
  readonly retryCount: number;
  readonly workerId: string | null;
  readonly startedAt: Date | null;
  readonly completedAt: Date | null;
  readonly lastError: string | null;
  readonly createdAt: Date;
}

/** How the job left a state that its row tells of no more. */
export interface PastAttempt {
  /** Of the transition it left by. */
  readonly rev: number;
  readonly outcome: 'retry_scheduled' | 'released' | 'deadlettered' | 'cancelled';
  readonly attempt: number;
  readonly workerId: string | null;
  readonly startedAt: Date | null;
  readonly endedAt: Date;
  readonly error: string | null;
  /** Until when it backed off; of an ended job, when it was retried. */
  readonly nextAt: Date | null;
}

/** What becomes of a job, oldest first. Its past attempts come in their order. */
export function historyOf(job: HistoryJob, past: readonly PastAttempt[]): HistoryEvent[] {
  return [created(job), ...past.flatMap((each) => pastEvents(job.id, each)), ...lastEvents(job)];
}

function created({ id, createdAt }: HistoryJob): HistoryEvent {
  return event(id, 1, 'created', createdAt, null);
}

/** The begin of an attempt is the transition before its end: nothing happens to a lease between. */
function pastEvents(jobId: string, past: PastAttempt): HistoryEvent[] {
  const { rev, outcome, attempt, workerId, startedAt, endedAt, error, nextAt } = past;
  const isOver = outcome === 'deadlettered' || outcome === 'cancelled';
  return [
    ...began(jobId, rev - 1, attempt, workerId, startedAt),
    event(jobId, rev, outcome, endedAt, workerId, {
      ...(startedAt === null ? {} : { attempt, duration_ms: msBetween(startedAt, endedAt) }),
      ...(error === null ? {} : { error }),
      ...(outcome === 'retry_scheduled' && nextAt !== null
        ? { retry_at: nextAt.toISOString() }
        : {}),
    }),
    ...(isOver && nextAt !== null ? [event(jobId, rev + 1, 'retried', nextAt, null)] : []),
  ];
}

function lastEvents(job: HistoryJob): HistoryEvent[] {
  const { id, rev, status, retryCount, workerId, startedAt, completedAt, lastError } = job;
  const attempt = retryCount + 1;
  switch (status) {
    case 'pending':
    case 'scheduled':
      return [];
    case 'processing':
      return began(id, rev, attempt, workerId, startedAt);
    case 'cancelled':
      return [event(id, rev, 'cancelled', completedAt!, null, errorOf(lastError))];
    default:
      return [
        ...began(id, rev - 1, attempt, workerId, startedAt),
        event(
          id,
          rev,
          status === 'completed' ? 'completed' : 'deadlettered',
          completedAt!,
          workerId,
          {
            attempt,
            ...(startedAt === null ? {} : { duration_ms: msBetween(startedAt, completedAt!) }),
            // What a completed job keeps is the error of an attempt before.
            ...(status === 'completed' ? {} : errorOf(lastError)),
          },
        ),
      ];
  }
}

function began(
  jobId: string,
  rev: number,
  attempt: number,
  workerId: string | null,
  startedAt: Date | null,
): HistoryEvent[] {
  if (startedAt === null) return [];
  return [event(jobId, rev, 'processing', startedAt, workerId, { attempt })];
}

function event(
  jobId: string,
  rev: number,
  type: HistoryEventType,
  at: Date,
  workerId: string | null,
  details: Omit<HistoryEvent['details'], 'rev'> = {},
): HistoryEvent {
  return {
    id: `${jobId}:${rev}`,
    job_id: jobId,
    event_type: type,
    worker_id: workerId,
    details: { rev, ...details },
    created_at: at.toISOString(),
  };
}

function errorOf(error: string | null): { error?: string } {
  return error === null ? {} : { error };
}

function msBetween(from: Date, to: Date): number {
  return Math.max(0, to.getTime() - from.getTime());
}
