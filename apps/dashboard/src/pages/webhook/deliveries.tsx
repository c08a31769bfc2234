import type { Answer } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { snapshotOf, type Snapshot } from '../../live/snapshot.js';
import { useResource } from '../../live/use-resource.js';
import { useSession } from '../../session/session-context.js';
import { ActionButton } from '../../ui/action.js';
import { AsOf } from '../../ui/as-of.js';
import { StatusBadge } from '../../ui/badge.js';
import { JsonView } from '../../ui/json-view.js';
import { count } from '../../ui/numbers.js';
import { Card } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';

type Delivery = Answer<'webhooks', 'deliveries'>[number];

function deliveriesResource(id: string): Resource<Snapshot<Delivery[]>> {
  return snapshotOf(`webhook:${id}:deliveries`, (client, signal) =>
    client.webhooks.getDeliveries(id, { signal }),
  );
}

/** The last hundred. Events do not tell of them, so it is said how old the list is. */
export function Deliveries({ webhookId }: { readonly webhookId: string }) {
  const { client } = useSession();
  const deliveries = useResource(deliveriesResource(webhookId));
  return (
    <Loaded resource={deliveries}>
      {({ value, readAt }) => (
        <Card
          title="Deliveries"
          isFlush
          aside={<AsOf readAt={readAt} onRead={deliveries.reload} />}
        >
          <Table
            label="Deliveries"
            rows={value}
            rowKey={({ id }) => id}
            columns={[
              { title: 'Event', cell: ({ event }) => event },
              { title: 'Status', cell: ({ status }) => <StatusBadge status={status} /> },
              {
                title: 'Answer',
                cell: ({ statusCode, error }) => statusCode ?? error ?? '–',
              },
              { title: 'Tries', isNumber: true, cell: ({ attempts }) => count(attempts) },
              { title: 'Created', cell: ({ createdAt }) => <Ago at={createdAt} /> },
              { title: 'Content', cell: (delivery) => <Content delivery={delivery} /> },
              {
                title: 'Actions',
                isNumber: true,
                cell: ({ id, status }) => (
                  <div className="row-actions">
                    <ActionButton
                      label="Redeliver"
                      done="It is sent once more; read again to see how it went."
                      refusal={status === 'pending' ? 'It is on its way.' : undefined}
                      run={async () => {
                        await client.webhooks.retryDelivery(webhookId, id);
                        deliveries.reload();
                      }}
                    />
                  </div>
                ),
              },
            ]}
          >
            <Empty icon="send" title="Nothing was delivered yet">
              It is told of the next event that it asks for. A test is not kept here.
            </Empty>
          </Table>
        </Card>
      )}
    </Loaded>
  );
}

function Content({ delivery: { payload, responseBody } }: { readonly delivery: Delivery }) {
  return (
    <details>
      <summary>Show</summary>
      <JsonView label="Sent" json={JSON.stringify(payload)} />
      {responseBody !== null && responseBody !== '' && (
        <>
          <p className="muted">Answered</p>
          <pre className="log" tabIndex={0}>
            {responseBody}
          </pre>
        </>
      )}
    </details>
  );
}
