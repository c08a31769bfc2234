import type { SpooledEvent } from '@spooled/sdk';
import { Link } from 'wouter';

import { useNow } from '../../live/clock.js';
import type { Resource } from '../../live/resources.js';
import { useResource } from '../../live/use-resource.js';
import { workersResource, type WorkerRow } from '../../live/workers.js';
import { useSession } from '../../session/session-context.js';
import { ActionButton } from '../../ui/action.js';
import { StatusBadge } from '../../ui/badge.js';
import { JobLink } from '../../ui/job-link.js';
import { useFilter } from '../../ui/url-filter.js';
import { count } from '../../ui/numbers.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';
import './workers.css';

/** A worker reports every few seconds; after this long it is not known to live. */
const LATE_MS = 60_000;

/** The jobs that workers hold: job to worker, as far as this tab saw them begin. Nothing lists them. */
const heldResource: Resource<ReadonlyMap<string, string>> = {
  key: 'workers:held',
  load: () => Promise.resolve(new Map()),
  apply: (held, events) => {
    const next = new Map(held);
    let isChanged = false;
    for (const event of events) isChanged = note(next, event) || isChanged;
    return isChanged ? next : held;
  },
};

function note(held: Map<string, string>, { type, data }: SpooledEvent): boolean {
  if (type === 'worker.heartbeat' && data.currentJobId !== null && data.currentJobs > 0) {
    if (held.get(data.currentJobId) === data.workerId) return false;
    held.set(data.currentJobId, data.workerId);
    return true;
  }
  if (type !== 'job.status') return false;
  if (data.newStatus === 'processing' && data.workerId !== undefined) {
    held.set(data.jobId, data.workerId);
    return true;
  }
  return held.delete(data.jobId);
}

export function Page() {
  const { client } = useSession();
  const workers = useResource(workersResource);
  const held = useResource(heldResource);
  const [params, change] = useFilter();
  const isAll = params.get('show') === 'all';
  const jobsOf = (worker: string) =>
    held.state.status === 'ready'
      ? [...held.state.value].filter(([, holder]) => holder === worker).map(([job]) => job)
      : [];
  return (
    <PageFrame title="Workers" description="Who takes jobs, and when each was last heard of.">
      <Card>
        <label className="check">
          <input
            type="checkbox"
            checked={isAll}
            onChange={({ target }) => change({ show: target.checked ? 'all' : '' })}
          />
          Show those that are offline too
        </label>
      </Card>
      <Card isFlush>
        <Loaded resource={workers}>
          {(rows) => (
            <Table
              label="Workers"
              rows={sorted(rows.filter(({ status }) => isAll || status !== 'offline'))}
              rowKey={({ id }) => id}
              columns={[
                {
                  title: 'Worker',
                  cell: ({ id, hostname }) => (
                    <>
                      {hostname}
                      <br />
                      <span className="mono muted">{id}</span>
                    </>
                  ),
                },
                {
                  title: 'Queue',
                  cell: ({ queueName }) => (
                    <Link href={`/queues/${encodeURIComponent(queueName)}`}>{queueName}</Link>
                  ),
                },
                { title: 'Status', cell: ({ status }) => <StatusBadge status={status} /> },
                {
                  title: 'Jobs',
                  isNumber: true,
                  cell: ({ currentJobs, maxConcurrency }) =>
                    `${count(currentJobs)} of ${count(maxConcurrency)}`,
                },
                { title: 'Works on', cell: ({ id }) => <HeldJobs ids={jobsOf(id)} /> },
                { title: 'Heard', cell: (worker) => <Heard worker={worker} /> },
                {
                  title: 'Actions',
                  isNumber: true,
                  cell: ({ id, hostname, status }) =>
                    status !== 'offline' && (
                      <div className="row-actions">
                        <ActionButton
                          label="Take off"
                          kind="danger"
                          confirm={`The jobs of ${hostname} go back to pending, and others may take them. A worker that lives registers again.`}
                          done={`${hostname} is taken off.`}
                          run={() => client.workers.deregister(id)}
                        />
                      </div>
                    ),
                },
              ]}
            >
              <Empty icon="cpu" title={isAll ? 'No worker yet' : 'No worker is there'}>
                Start one with the SDK, or <code>spooled demo</code>; it appears here by itself.
              </Empty>
            </Table>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}

function Heard({ worker: { status, lastHeartbeat } }: { readonly worker: WorkerRow }) {
  const age = useNow() - Date.parse(lastHeartbeat);
  const isLate = status !== 'offline' && age > LATE_MS;
  return (
    <span className={isLate ? 'worker-late' : undefined}>
      <Ago at={lastHeartbeat} />
      {isLate && ' · late'}
    </span>
  );
}

function HeldJobs({ ids }: { readonly ids: readonly string[] }) {
  if (ids.length === 0) return <>–</>;
  const [first = '', ...more] = ids;
  return (
    <>
      <JobLink id={first} />
      {more.length > 0 && ` and ${more.length} more`}
    </>
  );
}

/** By place, so that a heartbeat moves no row. */
function sorted(rows: readonly WorkerRow[]): WorkerRow[] {
  const place = ({ queueName, hostname, id }: WorkerRow) => `${queueName} ${hostname} ${id}`;
  return [...rows].sort((a, b) => (place(a) < place(b) ? -1 : 1));
}
