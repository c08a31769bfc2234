import type { SpooledEvent } from '@spooled/sdk';

import type { Resource } from './resources.js';

export interface WorkerRow {
  readonly id: string;
  readonly queueName: string;
  readonly hostname: string;
  readonly status: string;
  readonly currentJobs: number;
  /** Null = not known, because it came after the list was read. */
  readonly maxConcurrency: number | null;
  readonly lastHeartbeat: string;
}

/** The workers that reported last, at most a hundred and whoever came since. */
export const workersResource: Resource<readonly WorkerRow[]> = {
  key: 'workers',
  load: (client, signal) => client.workers.list({ signal }),
  apply: (workers, events) => {
    const byId = new Map(workers.map((worker) => [worker.id, worker]));
    let isChanged = false;
    for (const event of events) {
      const change = changeOf(event);
      if (change === undefined) continue;
      isChanged = true;
      byId.set(change.id, { ...blank, ...byId.get(change.id), ...change });
    }
    return isChanged ? [...byId.values()] : workers;
  },
};

const blank = {
  queueName: '',
  hostname: '',
  status: 'healthy',
  currentJobs: 0,
  maxConcurrency: null,
  lastHeartbeat: '',
};

function changeOf(event: SpooledEvent): (Partial<WorkerRow> & { id: string }) | undefined {
  switch (event.type) {
    case 'worker.registered': {
      const { workerId, queueName, hostname, timestamp } = event.data;
      return { id: workerId, queueName, hostname, status: 'healthy', lastHeartbeat: timestamp };
    }
    case 'worker.heartbeat': {
      const { workerId, queueName, status, currentJobs, timestamp } = event.data;
      return { id: workerId, queueName, status, currentJobs, lastHeartbeat: timestamp };
    }
    case 'worker.deregistered': {
      const { workerId, queueName } = event.data;
      return { id: workerId, queueName, status: 'offline', currentJobs: 0 };
    }
    default:
      return undefined;
  }
}
