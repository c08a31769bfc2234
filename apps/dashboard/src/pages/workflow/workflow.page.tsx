import { lazy, Suspense } from 'react';
import { Link, useParams } from 'wouter';

import { useResource } from '../../live/use-resource.js';
import type { WorkflowStatus } from '../../live/workflow-status.js';
import { useSession } from '../../session/session-context.js';
import { ActionButton } from '../../ui/action.js';
import { StatusBadge } from '../../ui/badge.js';
import { count } from '../../ui/numbers.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Loaded, Loading } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';
import { workflowKey, workflowResource, type WorkflowView } from './workflow.js';

const Graph = lazy(async () => ({ default: (await import('./graph.js')).Graph }));

export function Page() {
  const { id } = useParams<{ id: string }>();
  const workflow = useResource(workflowResource(id));
  const known = workflow.state.status === 'ready' ? workflow.state.value : undefined;
  return (
    <PageFrame
      title={known?.name ?? 'Workflow'}
      description={
        known && (
          <>
            <StatusBadge status={known.status} /> {count(known.completedJobs)} of{' '}
            {count(known.totalJobs)} done
            {known.failedJobs > 0 && `, ${count(known.failedJobs)} not completed`} · created{' '}
            <Ago at={known.createdAt} />
          </>
        )
      }
      actions={known && <Actions id={id} workflow={known} />}
    >
      <Card title="Graph">
        <Loaded resource={workflow}>
          {(value) => (
            <Suspense fallback={<Loading label="Drawing" />}>
              <Graph workflow={value} />
            </Suspense>
          )}
        </Loaded>
      </Card>
      <Card title="Jobs" isFlush>
        <Loaded resource={workflow}>{(value) => <Jobs workflow={value} />}</Loaded>
      </Card>
    </PageFrame>
  );
}

function Actions({ id, workflow }: { readonly id: string; readonly workflow: WorkflowView }) {
  const session = useSession();
  const { client, resources } = session;
  /** Events tell of the jobs that moved; that the workflow did, they do not when no job could. */
  const know = ({ status }: { readonly status: WorkflowStatus }) =>
    resources.change<WorkflowView>(workflowKey(id), (view) => ({ ...view, status }));
  const { name, status, jobs } = workflow;
  const scope = jobs.every(({ queue }) => session.canUseQueue(queue))
    ? undefined
    : 'The credential does not allow every queue of it.';
  const isOver = status === 'completed' || status === 'failed' || status === 'cancelled';
  return (
    <>
      <ActionButton
        label="Retry"
        done={`${name} goes on.`}
        refusal={scope ?? (status === 'failed' ? undefined : 'Only a failed workflow is retried.')}
        run={async () => know(await client.workflows.retry(id))}
      />
      <ActionButton
        label="Cancel workflow"
        kind="danger"
        confirm={`Cancel the jobs of ${name} that have not begun? Running ones may finish. A cancelled workflow cannot be taken up again.`}
        done={`${name} is cancelled.`}
        refusal={scope ?? (isOver ? `It is ${status}.` : undefined)}
        run={async () => know(await client.workflows.cancel(id))}
      />
    </>
  );
}

/** What the graph shows, for keyboards and screen readers. */
function Jobs({ workflow: { jobs, dependencies } }: { readonly workflow: WorkflowView }) {
  const keys = new Map(jobs.map(({ id, key }) => [id, key]));
  const waitsFor = (id: string) =>
    dependencies
      .filter(({ childJobId }) => childJobId === id)
      .map(({ parentJobId }) => keys.get(parentJobId) ?? parentJobId)
      .join(', ');
  return (
    <Table
      label="Jobs of the workflow"
      rows={jobs}
      rowKey={({ id }) => id}
      columns={[
        { title: 'Job', cell: ({ id, key }) => <Link href={`/jobs/${id}`}>{key}</Link> },
        { title: 'Queue', cell: ({ queue }) => queue },
        { title: 'Waits for', cell: ({ id }) => waitsFor(id) || '–' },
        {
          title: 'Status',
          cell: ({ status, percent }) => (
            <>
              <StatusBadge status={status} />
              {percent !== null && <span className="tabular"> {Math.round(percent)} %</span>}
            </>
          ),
        },
        { title: 'Last error', cell: ({ errorText }) => errorText ?? '–' },
      ]}
    >
      <p className="state">It has no jobs.</p>
    </Table>
  );
}
