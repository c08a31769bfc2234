import { Link } from 'wouter';

import { useResource } from '../../live/use-resource.js';
import type { WorkflowStatus } from '../../live/workflow-status.js';
import { StatusBadge } from '../../ui/badge.js';
import { Meter } from '../../ui/meter.js';
import { count } from '../../ui/numbers.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Pager } from '../../ui/pager.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';
import { pageOf, useFilter } from '../../ui/url-filter.js';
import { PAGE_SIZE, workflowsResource } from './workflows.js';

const statuses: readonly WorkflowStatus[] = [
  'pending',
  'running',
  'completed',
  'failed',
  'cancelled',
];

export function Page() {
  const [params, change] = useFilter();
  const status = statuses.find((each) => each === params.get('status'));
  const page = pageOf(params);
  const listed = useResource(workflowsResource({ status, page }));
  return (
    <PageFrame title="Workflows" description="Jobs that wait for each other.">
      <Card>
        <div className="filter-row" role="search">
          <label className="field">
            Status
            <select
              value={status ?? ''}
              onChange={({ target }) => change({ status: target.value })}
            >
              <option value="">any</option>
              {statuses.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </label>
        </div>
      </Card>
      <Card isFlush>
        <Loaded resource={listed}>
          {(rows) => (
            <>
              <Table
                label="Workflows"
                rows={rows}
                rowKey={({ id }) => id}
                columns={[
                  {
                    title: 'Name',
                    cell: ({ id, name }) => (
                      <Link href={`/workflows/${id}`}>{name ?? `new, …${id.slice(-12)}`}</Link>
                    ),
                  },
                  { title: 'Status', cell: (row) => <StatusBadge status={row.status} /> },
                  {
                    title: 'Progress',
                    cell: ({ completedJobs, totalJobs }) => (
                      <>
                        <span className="tabular">
                          {count(completedJobs)} of {count(totalJobs)}
                        </span>
                        <Meter isGoal percentage={(100 * completedJobs) / Math.max(1, totalJobs)} />
                      </>
                    ),
                  },
                  {
                    title: 'Failed',
                    isNumber: true,
                    cell: ({ failedJobs }) => count(failedJobs),
                  },
                  { title: 'Created', cell: ({ createdAt }) => <Ago at={createdAt} /> },
                ]}
              >
                <Empty
                  icon="graph"
                  title={status === undefined ? 'No workflow yet' : `No workflow is ${status}`}
                >
                  Create one with <code>client.workflows.create</code>; it appears here by itself.
                </Empty>
              </Table>
              <Pager
                page={page}
                hasMore={rows.length >= PAGE_SIZE}
                onPage={(to) => change({ page: to === 1 ? '' : String(to) })}
              />
            </>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}
