import { Injectable } from '@nestjs/common';
import { isUuid, type DependencyMode, type JobStatus } from '@spooled/contracts';
import { Database } from '@spooled/postgres';
import {
  isClaimable,
  type DependencyFacts,
  type JobFacts,
  type QueueFacts,
} from '../domain/why.js';
import type { Scope } from './job.repository.js';
import * as whySql from './why.sql.js';

export interface StoredFacts {
  readonly job: JobFacts;
  readonly dependencies: DependencyFacts | null;
  readonly queue: Omit<QueueFacts, 'workers'> | null;
}

/** What is stored of why a job stands where it stands. */
@Injectable()
export class WhyRepository {
  constructor(private readonly database: Database) {}

  /** Undefined when there is no such job in the scope. */
  async read({ organizationId, queues }: Scope, jobId: string): Promise<StoredFacts | undefined> {
    if (!isUuid(jobId)) return undefined;
    const query = async <R>(statement: (typeof whySql)['job'], values: readonly unknown[]) =>
      (await this.database.query<R>([organizationId], statement, values))[0];
    const row = await query<JobRow>(whySql.job, [organizationId, queues, jobId]);
    if (row === undefined) return undefined;
    const job = toFacts(row);
    const waits = row.waiting_on;
    if (waits !== null) {
      const values = [organizationId, queues, jobId];
      const { total, ids } = (await query<DependencyRow>(whySql.dependencies, values))!;
      const mode = row.dependency_mode ?? 'all';
      return { job, dependencies: { mode, total, missing: waits, ids }, queue: null };
    }
    if (!isClaimable(job)) return { job, dependencies: null, queue: null };
    const place = [organizationId, row.queue_name, row.priority, jobId];
    const queue = (await query<QueueRow>(whySql.queue, place))!;
    const { ahead, processing, claimed_last_second: claimedLastSecond } = queue;
    return { job, dependencies: null, queue: { ahead, processing, claimedLastSecond } };
  }
}

interface JobRow {
  readonly id: string;
  readonly queue_name: string;
  readonly status: JobStatus;
  readonly priority: number;
  readonly retry_count: number;
  readonly max_retries: number;
  readonly due_at: Date | null;
  readonly waiting_on: number | null;
  readonly expires_at: Date | null;
  readonly dependency_mode: DependencyMode | null;
  readonly started_at: Date | null;
  readonly completed_at: Date | null;
  readonly worker_id: string | null;
  readonly lease_expires_at: Date | null;
  readonly last_error: string | null;
  readonly dead_letter_reason: string | null;
  readonly is_queue_paused: boolean;
  readonly rate_limit: number | null;
  readonly at: Date;
}
interface DependencyRow {
  readonly total: number;
  readonly ids: readonly string[];
}
interface QueueRow {
  readonly ahead: number;
  readonly processing: number;
  readonly claimed_last_second: number;
}

function toFacts(row: JobRow): JobFacts {
  return {
    id: row.id,
    queueName: row.queue_name,
    status: row.status,
    retryCount: row.retry_count,
    maxRetries: row.max_retries,
    dueAt: row.due_at,
    expiresAt: row.expires_at,
    startedAt: row.started_at,
    completedAt: row.completed_at,
    workerId: row.worker_id,
    leaseExpiresAt: row.lease_expires_at,
    lastError: row.last_error,
    deadLetterReason: row.dead_letter_reason,
    isQueuePaused: row.is_queue_paused,
    rateLimit: row.rate_limit,
    at: row.at,
  };
}
