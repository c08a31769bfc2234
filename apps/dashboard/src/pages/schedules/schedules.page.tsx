import type { Answer } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { useResource } from '../../live/use-resource.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';

const schedulesResource: Resource<Answer<'schedules', 'list'>> = {
  key: 'schedules',
  load: (client, signal) => client.schedules.list({}, { signal }),
};

export function Page() {
  const listed = useResource(schedulesResource);
  return (
    <PageFrame title="Schedules">
      <Card isFlush>
        <Loaded resource={listed}>
          {(rows) => (
            <Table
              label="Schedules"
              rows={rows}
              rowKey={({ id }) => id}
              columns={[
                { title: 'Name', cell: ({ name }) => name },
                { title: 'Cron', cell: ({ cronExpression }) => <code>{cronExpression}</code> },
              ]}
            >
              <Empty title="No schedule yet" />
            </Table>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}
