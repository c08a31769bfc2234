import type { StoredEvent } from '@spooled/contracts';
import type { EndCause, WorkerRow } from './worker.js';

export function workerRegistered(
  row: Pick<WorkerRow, 'id' | 'queue_name' | 'hostname'>,
  at: Date,
): StoredEvent {
  return {
    type: 'WorkerRegistered',
    data: {
      worker_id: row.id,
      queue_name: row.queue_name,
      timestamp: at.toISOString(),
      hostname: row.hostname,
    },
  };
}

export function workerDeregistered(
  row: Pick<WorkerRow, 'id' | 'queue_name'>,
  reason: EndCause,
  at: Date,
): StoredEvent {
  return {
    type: 'WorkerDeregistered',
    data: { worker_id: row.id, timestamp: at.toISOString(), queue_name: row.queue_name, reason },
  };
}
