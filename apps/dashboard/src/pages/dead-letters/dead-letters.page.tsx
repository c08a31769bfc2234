import type { Answer } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { useResource } from '../../live/use-resource.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';

const deadLettersResource: Resource<Answer<'deadLetters', 'list'>> = {
  key: 'dead-letters',
  load: (client, signal) => client.jobs.dlq.list({ limit: 100 }, { signal }),
};

export function Page() {
  const listed = useResource(deadLettersResource);
  return (
    <PageFrame title="Dead letters">
      <Card isFlush>
        <Loaded resource={listed}>
          {(rows) => (
            <Table
              label="Dead letters"
              rows={rows}
              rowKey={({ id }) => id}
              columns={[
                { title: 'Job', cell: ({ id }) => id },
                { title: 'Queue', cell: ({ queueName }) => queueName },
              ]}
            >
              <Empty title="No dead letters" />
            </Table>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}
