import type { Answer } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { useResource } from '../../live/use-resource.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';

const workflowsResource: Resource<Answer<'workflows', 'list'>> = {
  key: 'workflows',
  load: (client, signal) => client.workflows.list({}, { signal }),
};

export function Page() {
  const listed = useResource(workflowsResource);
  return (
    <PageFrame title="Workflows">
      <Card isFlush>
        <Loaded resource={listed}>
          {(rows) => (
            <Table
              label="Workflows"
              rows={rows}
              rowKey={({ id }) => id}
              columns={[
                { title: 'Name', cell: ({ name }) => name },
                { title: 'Status', cell: ({ status }) => status },
              ]}
            >
              <Empty title="No workflow yet" />
            </Table>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}
