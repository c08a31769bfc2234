import { useLocation, useParams } from 'wouter';

import type { Snapshot } from '../../live/snapshot.js';
import { snapshotOf } from '../../live/snapshot.js';
import type { Resource } from '../../live/resources.js';
import { useResource } from '../../live/use-resource.js';
import {
  DeleteWebhook,
  EditWebhook,
  RotateSecret,
  TestWebhook,
  type Webhook,
} from '../../parts/webhook-actions.js';
import { StatusBadge } from '../../ui/badge.js';
import { count } from '../../ui/numbers.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Loaded } from '../../ui/states.js';
import { Ago } from '../../ui/time.js';
import { Deliveries } from './deliveries.js';

function webhookResource(id: string): Resource<Snapshot<Webhook>> {
  return snapshotOf(`webhook:${id}`, (client, signal) => client.webhooks.get(id, { signal }));
}

export function Page() {
  const { id } = useParams<{ id: string }>();
  const webhook = useResource(webhookResource(id));
  const [, navigate] = useLocation();
  const known = webhook.state.status === 'ready' ? webhook.state.value.value : undefined;
  return (
    <PageFrame
      title={known?.name ?? 'Webhook'}
      description={known && <span className="mono">{known.url}</span>}
      actions={
        known && (
          <>
            <TestWebhook webhook={known} onChanged={webhook.reload} />
            <EditWebhook webhook={known} onChanged={webhook.reload} />
            <RotateSecret webhook={known} />
            <DeleteWebhook webhook={known} onChanged={() => navigate('/webhooks')} />
          </>
        )
      }
    >
      <Card title="What it is told of">
        <Loaded resource={webhook}>
          {({ value }) => (
            <dl className="facts">
              <dt>State</dt>
              <dd>
                <StatusBadge status={value.enabled ? 'active' : 'paused'} />
                {value.lastStatus === 'auto_disabled' &&
                  ' 20 deliveries failed one after the other. Mend the receiver, then edit and enable it.'}
              </dd>
              <dt>Events</dt>
              <dd>{value.events.join(', ')}</dd>
              <dt>Failures since the last success</dt>
              <dd>{count(value.failureCount)}</dd>
              <dt>Created</dt>
              <dd>
                <Ago at={value.createdAt} />
              </dd>
            </dl>
          )}
        </Loaded>
      </Card>
      <Deliveries webhookId={id} />
    </PageFrame>
  );
}
