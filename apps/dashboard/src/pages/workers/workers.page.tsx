import { workersResource } from '../../live/workers.js';
import { useResource } from '../../live/use-resource.js';
import { StatusBadge } from '../../ui/badge.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';

export function Page() {
  const workers = useResource(workersResource);
  return (
    <PageFrame title="Workers">
      <Card isFlush>
        <Loaded resource={workers}>
          {(rows) => (
            <Table
              label="Workers"
              rows={rows}
              rowKey={({ id }) => id}
              columns={[
                { title: 'Worker', cell: ({ id, hostname }) => hostname || id },
                { title: 'Status', cell: ({ status }) => <StatusBadge status={status} /> },
                { title: 'Queue', cell: ({ queueName }) => queueName },
                { title: 'Heard of', cell: ({ lastHeartbeat }) => <Ago at={lastHeartbeat} /> },
              ]}
            >
              <Empty icon="cpu" title="No worker yet">
                Start one, and it appears here.
              </Empty>
            </Table>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}
