import { Link } from 'wouter';

import { useResource } from '../../live/use-resource.js';
import { workersResource, type WorkerRow } from '../../live/workers.js';
import { StatusBadge } from '../../ui/badge.js';
import { Card } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';

const SHOWN = 12;

/** Who works, and how busy they are. */
export function WorkerActivity() {
  const workers = useResource(workersResource);
  return (
    <Card title="Workers" isFlush aside={<Link href="/workers">All workers</Link>}>
      <Loaded resource={workers}>
        {(rows) => {
          const present = rows.filter(({ status }) => status !== 'offline').sort(byQueue);
          if (present.length === 0) {
            return (
              <Empty icon="cpu" title="No worker is connected">
                Jobs wait until one is. See <code>SpooledWorker</code> of the client library.
              </Empty>
            );
          }
          return (
            <ul className="worker-list">
              {present.slice(0, SHOWN).map((worker) => (
                <WorkerLine key={worker.id} worker={worker} />
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Card>
  );
}

function WorkerLine({ worker }: { readonly worker: WorkerRow }) {
  const { id, hostname, queueName, status, currentJobs, maxConcurrency } = worker;
  const places = maxConcurrency ?? Math.max(1, currentJobs);
  return (
    <li className="worker-line">
      <span className="worker-name" title={id}>
        {hostname || id}
      </span>
      <span className="muted worker-queue">{queueName}</span>
      <meter
        className="load"
        min={0}
        max={places}
        value={currentJobs}
        aria-label={`${currentJobs} of ${maxConcurrency ?? 'unknown'} places taken`}
      />
      <span className="tabular number">
        {currentJobs}
        <span className="muted"> / {maxConcurrency ?? '?'}</span>
      </span>
      <StatusBadge status={status} />
    </li>
  );
}

function byQueue(a: WorkerRow, b: WorkerRow): number {
  return a.queueName.localeCompare(b.queueName) || a.hostname.localeCompare(b.hostname);
}
