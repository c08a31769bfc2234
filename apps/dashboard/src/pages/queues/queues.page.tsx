import { queuesResource } from '../../live/queues.js';
import { useResource } from '../../live/use-resource.js';
import { StatusBadge } from '../../ui/badge.js';
import { count } from '../../ui/numbers.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';

export function Page() {
  const queues = useResource(queuesResource);
  return (
    <PageFrame title="Queues">
      <Card isFlush>
        <Loaded resource={queues}>
          {(rows) => (
            <Table
              label="Queues"
              rows={rows}
              rowKey={({ queueName }) => queueName}
              columns={[
                { title: 'Queue', cell: ({ queueName }) => queueName },
                {
                  title: 'State',
                  cell: ({ isPaused }) => <StatusBadge status={isPaused ? 'paused' : 'active'} />,
                },
                { title: 'Pending', isNumber: true, cell: ({ counts }) => count(counts.pending) },
              ]}
            >
              <Empty title="No queue yet">Enqueue a job, and its queue appears here.</Empty>
            </Table>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}
