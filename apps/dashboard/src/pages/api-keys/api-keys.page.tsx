import type { Answer } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { useResource } from '../../live/use-resource.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';

const apiKeysResource: Resource<Answer<'apiKeys', 'list'>> = {
  key: 'api-keys',
  load: (client, signal) => client.apiKeys.list({ signal }),
};

export function Page() {
  const listed = useResource(apiKeysResource);
  return (
    <PageFrame title="API keys">
      <Card isFlush>
        <Loaded resource={listed}>
          {(rows) => (
            <Table
              label="API keys"
              rows={rows}
              rowKey={({ id }) => id}
              columns={[
                { title: 'Name', cell: ({ name }) => name },
                { title: 'Queues', cell: ({ queues }) => queues.join(', ') },
              ]}
            >
              <Empty title="No API key" />
            </Table>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}
