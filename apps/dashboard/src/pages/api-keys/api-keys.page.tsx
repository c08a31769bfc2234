import { useNow } from '../../live/clock.js';
import { snapshotOf } from '../../live/snapshot.js';
import { useResource } from '../../live/use-resource.js';
import { useSession } from '../../session/session-context.js';
import { AsOf } from '../../ui/as-of.js';
import { StatusBadge } from '../../ui/badge.js';
import { count } from '../../ui/numbers.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';
import { useFilter } from '../../ui/url-filter.js';
import { EditKey, NewKey, RevokeKey, type ApiKey } from './key-actions.js';

const keysResource = snapshotOf('api-keys', (client, signal) => client.apiKeys.list({ signal }));

export function Page() {
  const { identity } = useSession();
  const listed = useResource(keysResource);
  const [params, change] = useFilter();
  const isAll = params.get('show') === 'all';
  return (
    <PageFrame
      title="API keys"
      description="Who may act for the organization."
      actions={<NewKey onChanged={listed.reload} />}
    >
      <Card>
        <label className="check">
          <input
            type="checkbox"
            checked={isAll}
            onChange={({ target }) => change({ show: target.checked ? 'all' : '' })}
          />
          Show revoked ones too
        </label>
      </Card>
      <Loaded resource={listed}>
        {({ value, readAt }) => (
          <Card title="Keys" isFlush aside={<AsOf readAt={readAt} onRead={listed.reload} />}>
            <Table
              label="API keys"
              rows={value.filter(({ isActive }) => isAll || isActive)}
              rowKey={({ id }) => id}
              columns={[
                {
                  title: 'Name',
                  cell: ({ id, name }) => (
                    <>
                      {name}
                      {id === identity.apiKeyId && <span className="muted"> · this session</span>}
                    </>
                  ),
                },
                { title: 'State', cell: (key) => <KeyState apiKey={key} /> },
                {
                  title: 'Queues',
                  cell: ({ queues }) =>
                    queues.length === 0 || queues.includes('*') ? 'every queue' : queues.join(', '),
                },
                {
                  title: 'Per minute',
                  isNumber: true,
                  cell: ({ rateLimit }) => (rateLimit === null ? 'plan' : count(rateLimit)),
                },
                { title: 'Last used', cell: ({ lastUsed }) => <Ago at={lastUsed} /> },
                { title: 'Good until', cell: ({ expiresAt }) => <Ago at={expiresAt} /> },
                {
                  title: 'Actions',
                  isNumber: true,
                  cell: (key) =>
                    key.isActive && (
                      <div className="row-actions">
                        <EditKey apiKey={key} onChanged={listed.reload} />
                        <RevokeKey apiKey={key} onChanged={listed.reload} />
                      </div>
                    ),
                },
              ]}
            >
              <Empty icon="key" title="No key is good">
                Create one for each program that uses the queue.
              </Empty>
            </Table>
          </Card>
        )}
      </Loaded>
    </PageFrame>
  );
}

function KeyState({ apiKey: { isActive, expiresAt } }: { readonly apiKey: ApiKey }) {
  const isExpired = useNow() > Date.parse(expiresAt ?? '9999-01-01');
  return <StatusBadge status={!isActive ? 'revoked' : isExpired ? 'expired' : 'active'} />;
}
