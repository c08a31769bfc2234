import { Link } from 'wouter';

import { snapshotOf } from '../../live/snapshot.js';
import { useResource } from '../../live/use-resource.js';
import { EditWebhook, NewWebhook, TestWebhook } from '../../parts/webhook-actions.js';
import { AsOf } from '../../ui/as-of.js';
import { StatusBadge } from '../../ui/badge.js';
import { count } from '../../ui/numbers.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';

const webhooksResource = snapshotOf('webhooks', (client, signal) =>
  client.webhooks.list({ signal }),
);

export function Page() {
  const listed = useResource(webhooksResource);
  return (
    <PageFrame
      title="Webhooks"
      description="What happens is sent to a URL of yours, signed."
      actions={<NewWebhook onChanged={listed.reload} />}
    >
      <Loaded resource={listed}>
        {({ value, readAt }) => (
          <Card title="Endpoints" isFlush aside={<AsOf readAt={readAt} onRead={listed.reload} />}>
            <Table
              label="Webhooks"
              rows={value}
              rowKey={({ id }) => id}
              columns={[
                {
                  title: 'Name',
                  cell: ({ id, name }) => <Link href={`/webhooks/${id}`}>{name}</Link>,
                },
                { title: 'URL', cell: ({ url }) => <span className="mono">{url}</span> },
                {
                  title: 'State',
                  cell: ({ enabled }) => <StatusBadge status={enabled ? 'active' : 'paused'} />,
                },
                {
                  title: 'Events',
                  isNumber: true,
                  cell: ({ events }) => (
                    <span title={events.join(', ')}>{count(events.length)}</span>
                  ),
                },
                {
                  title: 'Last delivery',
                  cell: ({ lastStatus, lastTriggeredAt }) =>
                    lastStatus === null ? (
                      'none yet'
                    ) : (
                      <>
                        <StatusBadge status={lastStatus} /> <Ago at={lastTriggeredAt} />
                      </>
                    ),
                },
                {
                  title: 'Actions',
                  isNumber: true,
                  cell: (webhook) => (
                    <div className="row-actions">
                      <TestWebhook webhook={webhook} onChanged={listed.reload} />
                      <EditWebhook webhook={webhook} onChanged={listed.reload} />
                    </div>
                  ),
                },
              ]}
            >
              <Empty icon="send" title="No webhook yet">
                Create one to be told of jobs, queues, workers and schedules at a URL of yours.
              </Empty>
            </Table>
          </Card>
        )}
      </Loaded>
    </PageFrame>
  );
}
