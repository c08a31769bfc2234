import type { Answer } from '@spooled/sdk';
import { Link, useLocation, useParams } from 'wouter';

import { queuesResource, type QueueRow } from '../../live/queues.js';
import { useQueueRates } from '../../live/queue-rates.js';
import type { Resource } from '../../live/resources.js';
import { useResource } from '../../live/use-resource.js';
import { workersResource } from '../../live/workers.js';
import { ConfigureQueue, DeleteQueue, PauseOrResume } from '../../parts/queue-actions.js';
import { StatusBadge } from '../../ui/badge.js';
import { JsonView } from '../../ui/json-view.js';
import { count } from '../../ui/numbers.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';
import './queue.css';

/** What only the queue itself tells: the list has the rest, and keeps it live. */
function queueResource(name: string): Resource<Answer<'queues', 'get'>> {
  return { key: `queue:${name}`, load: (client, signal) => client.queues.get(name, { signal }) };
}

export function Page() {
  const { name } = useParams<{ name: string }>();
  const queues = useResource(queuesResource);
  const queue = useResource(queueResource(name));
  const workers = useResource(workersResource);
  const rate = useQueueRates().get(name);
  const [, navigate] = useLocation();
  const row =
    queues.state.status === 'ready'
      ? queues.state.value.find(({ queueName }) => queueName === name)
      : undefined;
  return (
    <PageFrame
      title={name}
      description={row && <State queue={row} />}
      actions={
        row && (
          <>
            <PauseOrResume queue={row} />
            <ConfigureQueue queue={row} />
            <DeleteQueue queueName={name} onDeleted={() => navigate('/queues')} />
          </>
        )
      }
    >
      <Card title="Now">
        <Loaded resource={queues}>
          {() => (
            <dl className="queue-figures">
              <Figure title="Pending" value={row?.counts.pending} />
              <Figure title="of these scheduled" value={row?.counts.scheduled} />
              <Figure title="Running" value={row?.counts.processing} />
              <Figure title="Completed" value={row?.counts.completed} />
              <Figure title="Dead letters" value={row?.counts.deadletter} />
              <Figure title="In, last minute" value={rate?.created ?? 0} />
              <Figure title="Done, last minute" value={rate?.completed ?? 0} />
            </dl>
          )}
        </Loaded>
        <p className="page-actions">
          <Link href={`/jobs?queue=${encodeURIComponent(name)}`}>Its jobs</Link>
          <Link href={`/dead-letters?queue=${encodeURIComponent(name)}`}>Its dead letters</Link>
        </p>
      </Card>
      <Card title="Limits">
        <Loaded resource={queue}>
          {({ createdAt, settings }) => (
            <dl className="facts">
              <dt>Retries of a job</dt>
              <dd>{count(row?.maxRetries)}</dd>
              <dt>Time limit of a job</dt>
              <dd>{count(row?.defaultTimeout)} s</dd>
              <dt>Started per second, at most</dt>
              <dd>{row?.rateLimit == null ? 'no limit' : count(row.rateLimit)}</dd>
              {isImplicit(settings) ? (
                <>
                  <dt>Configuration</dt>
                  <dd>none of its own: these are the defaults</dd>
                </>
              ) : (
                <>
                  <dt>Created</dt>
                  <dd>
                    <Ago at={createdAt} />
                  </dd>
                  {Object.keys(settings).length > 0 && (
                    <>
                      <dt>Settings</dt>
                      <dd>
                        <JsonView label="Settings" json={JSON.stringify(settings)} />
                      </dd>
                    </>
                  )}
                </>
              )}
            </dl>
          )}
        </Loaded>
      </Card>
      <Card title="Workers" isFlush>
        <Loaded resource={workers}>
          {(rows) => (
            <Table
              label={`Workers of ${name}`}
              rows={rows.filter(({ queueName }) => queueName === name)}
              rowKey={({ id }) => id}
              columns={[
                { title: 'Host', cell: ({ hostname }) => hostname },
                { title: 'Status', cell: ({ status }) => <StatusBadge status={status} /> },
                { title: 'Jobs', isNumber: true, cell: ({ currentJobs }) => count(currentJobs) },
                { title: 'Heard', cell: ({ lastHeartbeat }) => <Ago at={lastHeartbeat} /> },
              ]}
            >
              <Empty icon="cpu" title="No worker serves this queue">
                Start one that claims from it; until then its jobs wait.
              </Empty>
            </Table>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}

function State({ queue: { isPaused, pausedAt, pauseReason } }: { readonly queue: QueueRow }) {
  if (!isPaused) return <StatusBadge status="active" />;
  return (
    <>
      <StatusBadge status="paused" /> {pausedAt && <Ago at={pausedAt} />}
      {pauseReason && `: ${pauseReason}`}
    </>
  );
}

/** The server's mark of a queue that nobody configured. */
function isImplicit(settings: Readonly<Record<string, unknown>>): boolean {
  return settings['implicit'] === true;
}

function Figure({ title, value }: { readonly title: string; readonly value: number | undefined }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd className="tabular">{count(value)}</dd>
    </div>
  );
}
