import { Link } from 'wouter';

import type { Answer } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { useResource } from '../../live/use-resource.js';
import { StatusBadge } from '../../ui/badge.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';

const jobsResource: Resource<Answer<'jobs', 'list'>> = {
  key: 'jobs',
  load: (client, signal) => client.jobs.list({ limit: 100 }, { signal }),
};

export function Page() {
  const jobs = useResource(jobsResource);
  return (
    <PageFrame title="Jobs">
      <Card isFlush>
        <Loaded resource={jobs}>
          {(rows) => (
            <Table
              label="Jobs"
              rows={rows}
              rowKey={({ id }) => id}
              columns={[
                { title: 'Job', cell: ({ id }) => <Link href={`/jobs/${id}`}>{id}</Link> },
                { title: 'Status', cell: ({ status }) => <StatusBadge status={status} /> },
                { title: 'Queue', cell: ({ queueName }) => queueName },
                { title: 'Created', cell: ({ createdAt }) => <Ago at={createdAt} /> },
              ]}
            >
              <Empty title="No job yet">Enqueue one, and it appears here.</Empty>
            </Table>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}
