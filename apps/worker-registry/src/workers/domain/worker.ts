import type { Worker, WorkerStatus, WorkerSummary } from '@spooled/contracts';

/** A worker as it is stored. */
export interface WorkerRow {
  readonly organization_id: string;
  readonly id: string;
  readonly queue_name: string;
  readonly hostname: string;
  readonly worker_type: string | null;
  readonly version: string | null;
  readonly max_concurrency: number;
  readonly current_jobs: number;
  readonly metadata: Record<string, unknown>;
  readonly status: WorkerStatus;
  /** Why it is registered no more; null while it is. */
  readonly ended: EndCause | null;
  readonly last_heartbeat: Date;
  readonly registered_at: Date;
  readonly updated_at: Date;
}

/** `requested`: it deregistered and must register again; `stale`: it fell silent and may come back by reporting. */
export type EndCause = 'requested' | 'stale';

/** Whether a worker in this state takes a slot of the plan. */
export function takesSlot(status: WorkerStatus): boolean {
  return status === 'healthy' || status === 'degraded';
}

/** Whether a text can be a worker's id at all; anything else is simply unknown. */
export function canBeWorkerId(text: string): boolean {
  return text.length >= 1 && text.length <= 255 && !text.includes('\0');
}

export function toSummary(row: WorkerRow): WorkerSummary {
  return {
    id: row.id,
    queue_name: row.queue_name,
    hostname: row.hostname,
    status: row.status,
    current_jobs: row.current_jobs,
    max_concurrency: row.max_concurrency,
    last_heartbeat: row.last_heartbeat.toISOString(),
  };
}

export function toDetail(row: WorkerRow): Worker {
  const registeredAt = row.registered_at.toISOString();
  return {
    ...toSummary(row),
    organization_id: row.organization_id,
    queue_names: [row.queue_name],
    worker_type: row.worker_type,
    max_concurrent_jobs: row.max_concurrency,
    current_job_count: row.current_jobs,
    metadata: row.metadata,
    version: row.version,
    registered_at: registeredAt,
    created_at: registeredAt,
    updated_at: row.updated_at.toISOString(),
  };
}
