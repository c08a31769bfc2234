import { Injectable } from '@nestjs/common';
import { isUuid, type JobStatus } from '@spooled/contracts';
import { Database } from '@spooled/postgres';
import type { HistoryJob, PastAttempt } from '../domain/history.js';
import { readHistory } from './attempt.sql.js';
import type { Scope } from './job.repository.js';

/** What is stored of what happened to a job. */
@Injectable()
export class HistoryRepository {
  constructor(private readonly database: Database) {}

  /** A job with its first or last `limit` past attempts, in that order; undefined when the scope has no such job. */
  async read(
    { organizationId, queues }: Scope,
    jobId: string,
    direction: 'asc' | 'desc',
    limit: number,
  ): Promise<{ job: HistoryJob; past: PastAttempt[] } | undefined> {
    if (!isUuid(jobId)) return undefined;
    const values = [organizationId, queues, jobId, limit];
    const rows = await this.database.query<HistoryRow>(
      [organizationId],
      readHistory[direction],
      values,
    );
    const [first] = rows;
    if (first === undefined) return undefined;
    return { job: toJob(first), past: rows.filter(hasPast).map(toAttempt) };
  }
}

interface JobRow {
  readonly id: string;
  readonly status: JobStatus;
  readonly rev: number;
  readonly retry_count: number;
  readonly worker_id: string | null;
  readonly started_at: Date | null;
  readonly completed_at: Date | null;
  readonly last_error: string | null;
  readonly created_at: Date;
}
interface PastRow {
  readonly past_rev: number;
  readonly outcome: PastAttempt['outcome'];
  readonly attempt: number;
  readonly past_worker_id: string | null;
  readonly began_at: Date | null;
  readonly ended_at: Date;
  readonly error: string | null;
  readonly next_at: Date | null;
}
type HistoryRow = JobRow & (PastRow | { readonly past_rev: null });

function hasPast(row: HistoryRow): row is JobRow & PastRow {
  return row.past_rev !== null;
}

function toJob(row: JobRow): HistoryJob {
  return {
    id: row.id,
    status: row.status,
    rev: row.rev,
    retryCount: row.retry_count,
    workerId: row.worker_id,
    startedAt: row.started_at,
    completedAt: row.completed_at,
    lastError: row.last_error,
    createdAt: row.created_at,
  };
}

function toAttempt(row: PastRow): PastAttempt {
  return {
    rev: row.past_rev,
    outcome: row.outcome,
    attempt: row.attempt,
    workerId: row.past_worker_id,
    startedAt: row.began_at,
    endedAt: row.ended_at,
    error: row.error,
    nextAt: row.next_at,
  };
}
