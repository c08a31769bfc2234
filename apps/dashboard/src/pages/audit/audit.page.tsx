import type { Answer } from '@spooled/sdk';
import { useId } from 'react';

import type { Resource } from '../../live/resources.js';
import { snapshotOf, type Snapshot } from '../../live/snapshot.js';
import { useResource } from '../../live/use-resource.js';
import { AsOf } from '../../ui/as-of.js';
import { FormValues } from '../../ui/form-values.js';
import { InputField, Options } from '../../ui/form.js';
import { JsonView } from '../../ui/json-view.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Pager } from '../../ui/pager.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { pageOf, useFilter } from '../../ui/url-filter.js';

type Entry = Answer<'audit', 'list'>[number];

const PAGE_SIZE = 50;
/** Those that there are now; another one may be typed. */
const actions = [
  'organization.created',
  'organization.updated',
  'plan.changed',
  'usage.reset',
  'webhook_token.regenerated',
  'key.created',
  'key.updated',
  'key.revoked',
  'dead_letters.purged',
  'queue.deleted',
  'jobs.cancelled',
  'jobs.retried',
  'jobs.reprioritized',
  'webhook.redelivered',
] as const satisfies readonly Entry['action'][];

/** What the URL asks for: times by the clock of this browser, as the fields write them. */
function auditResource(search: string, page: number): Resource<Snapshot<Entry[]>> {
  const params = new URLSearchParams(search);
  const instant = (name: string) => {
    const at = new Date(params.get(name) ?? '');
    return Number.isNaN(at.getTime()) ? undefined : at;
  };
  const query = {
    since: instant('since'),
    until: instant('until'),
    actor: params.get('actor') ?? undefined,
    action: params.get('action') ?? undefined,
    limit: PAGE_SIZE,
    offset: (page - 1) * PAGE_SIZE,
  };
  return snapshotOf(`audit:${search}`, (client, signal) => client.audit.list(query, { signal }));
}

export function Page() {
  const [params, change] = useFilter();
  const page = pageOf(params);
  const entries = useResource(auditResource(params.toString(), page));
  const isFiltered = ['since', 'until', 'actor', 'action'].some((name) => params.has(name));
  return (
    <PageFrame
      title="Audit trail"
      description="What was administered or destroyed, by whom and when."
    >
      <Card>
        <Filters params={params} onChange={change} />
      </Card>
      <Loaded resource={entries}>
        {({ value, readAt }) => (
          <Card title="Entries" isFlush aside={<AsOf readAt={readAt} onRead={entries.reload} />}>
            <Table
              label="Audit trail"
              rows={value}
              rowKey={({ id }) => id}
              columns={[
                {
                  title: 'When',
                  cell: ({ occurredAt }) => (
                    <time dateTime={occurredAt} className="tabular">
                      {new Date(occurredAt).toLocaleString()}
                    </time>
                  ),
                },
                { title: 'Who', cell: (entry) => <Actor entry={entry} /> },
                { title: 'Action', cell: ({ action }) => <code>{action}</code> },
                {
                  title: 'What',
                  cell: ({ target }) => (
                    <span className="mono">{target ?? 'the organization'}</span>
                  ),
                },
                { title: 'Details', cell: ({ details }) => <Details details={details} /> },
              ]}
            >
              <Empty
                icon="book"
                title={isFiltered ? 'Nothing that is like this' : 'Nothing is written down yet'}
              >
                {isFiltered
                  ? 'Take a filter away to see more.'
                  : 'Keys, purges, deleted queues and redeliveries are.'}
              </Empty>
            </Table>
            <Pager
              page={page}
              hasMore={value.length >= PAGE_SIZE}
              onPage={(to) => change({ page: to === 1 ? '' : String(to) })}
            />
          </Card>
        )}
      </Loaded>
    </PageFrame>
  );
}

function Filters({
  params,
  onChange,
}: {
  readonly params: URLSearchParams;
  readonly onChange: (changes: Readonly<Record<string, string>>) => void;
}) {
  const listId = useId();
  const field = (name: string) => ({
    name,
    defaultValue: params.get(name) ?? '',
    onBlur: ({ target }: { readonly target: HTMLInputElement }) =>
      onChange({ [name]: target.value.trim() }),
  });
  return (
    <form
      className="filter-row"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const values = new FormValues(new FormData(event.currentTarget));
        const names = ['since', 'until', 'actor', 'action'];
        onChange(Object.fromEntries(names.map((name) => [name, values.text(name)])));
      }}
    >
      <InputField label="Since" type="datetime-local" {...field('since')} />
      <InputField label="Until" type="datetime-local" {...field('until')} />
      <InputField label="Actor" placeholder="key id, admin, system" {...field('actor')} />
      <InputField label="Action" list={listId} {...field('action')} />
      <Options id={listId} names={actions} />
      <button className="button">Filter</button>
    </form>
  );
}

function Actor({ entry: { actorType, actorId } }: { readonly entry: Entry }) {
  if (actorId === null) return <>{actorType}</>;
  return (
    <span title={actorId}>
      key <span className="mono">…{actorId.slice(-12)}</span>
    </span>
  );
}

function Details({ details }: { readonly details: Entry['details'] }) {
  if (Object.keys(details).length === 0) return <>–</>;
  return (
    <details>
      <summary>Show</summary>
      <JsonView label="Details" json={JSON.stringify(details)} />
    </details>
  );
}
