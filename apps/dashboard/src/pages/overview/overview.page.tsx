import { Link } from 'wouter';

import { useStore } from '../../live/store.js';
import { queuesResource } from '../../live/queues.js';
import { useResource } from '../../live/use-resource.js';
import { useSession } from '../../session/session-context.js';
import { count } from '../../ui/numbers.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { ClockTime } from '../../ui/time.js';

export function Page() {
  const queues = useResource(queuesResource);
  const recent = useStore(useSession().activity.recent);
  return (
    <PageFrame title="Overview" description="What happens in your queues, as it happens.">
      <Card title="Queues" isFlush>
        <Loaded resource={queues}>
          {(rows) => (
            <Table
              label="Queues"
              rows={rows}
              rowKey={({ queueName }) => queueName}
              columns={[
                { title: 'Queue', cell: ({ queueName }) => queueName },
                { title: 'Pending', isNumber: true, cell: ({ counts }) => count(counts?.pending) },
                {
                  title: 'Processing',
                  isNumber: true,
                  cell: ({ counts }) => count(counts?.processing),
                },
              ]}
            >
              <Empty title="No queue yet">Enqueue a job, and its queue appears here.</Empty>
            </Table>
          )}
        </Loaded>
      </Card>
      <Card title="Live events" isFlush>
        <Table
          label="Live events"
          rows={recent.slice(0, 50)}
          rowKey={({ id }) => id}
          columns={[
            { title: 'Time', cell: ({ timestamp }) => <ClockTime at={timestamp} /> },
            { title: 'Event', cell: ({ type }) => type },
            {
              title: 'Job',
              cell: ({ data }) =>
                'jobId' in data && <Link href={`/jobs/${data.jobId}`}>{data.jobId}</Link>,
            },
          ]}
        >
          <Empty icon="pulse" title="Nothing has happened since you opened this page">
            The next event appears here by itself.
          </Empty>
        </Table>
      </Card>
    </PageFrame>
  );
}
