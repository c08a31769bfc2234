import { useState } from 'react';

import { queuesResource } from '../../live/queues.js';
import { useResource } from '../../live/use-resource.js';
import { InputField } from '../../ui/form.js';
import { JobLink } from '../../ui/job-link.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Pager } from '../../ui/pager.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';
import { pageOf, useFilter } from '../../ui/url-filter.js';
import { PurgeMatching, RetryMatching, RetrySelected } from './dead-letter-actions.js';
import './dead-letters.css';
import { deadLettersResource, PAGE_SIZE, type DeadLetterRow } from './dead-letters.js';
import { Payload } from './payload.js';

const noIds: ReadonlySet<string> = new Set();

export function Page() {
  const [params, change] = useFilter();
  const queueName = params.get('queue') ?? '';
  const tag = params.get('tag') ?? '';
  const page = pageOf(params);
  const letters = useResource(deadLettersResource({ queueName, tag, page }));
  const queues = useResource(queuesResource);
  const [selected, setSelected] = useState(noIds);
  const rows = letters.state.status === 'ready' ? letters.state.value : [];
  const chosen = rows.filter(({ id }) => selected.has(id)).map(({ id }) => id);
  const queueNames =
    queues.state.status === 'ready' ? queues.state.value.map((queue) => queue.queueName) : [];
  const toggle = (id: string, isOn: boolean) => {
    const next = new Set(selected);
    if (isOn) next.add(id);
    else next.delete(id);
    setSelected(next);
  };
  return (
    <PageFrame
      title="Dead letters"
      description="Jobs whose retries are spent. What is purged is written to the audit trail."
      actions={
        <>
          <RetrySelected ids={chosen} />
          <RetryMatching queueName={queueName} tag={tag} />
          <PurgeMatching queueName={queueName} tag={tag} onPurged={() => letters.reload()} />
        </>
      }
    >
      <Card>
        <div className="filter-row" role="search">
          <QueueFilter
            queueName={queueName}
            names={queueNames}
            onChange={(queue) => change({ queue })}
          />
          <InputField
            name="tag"
            label="Tag"
            placeholder="key or key:value"
            defaultValue={tag}
            onBlur={({ target }) => change({ tag: target.value.trim() })}
            onKeyDown={({ key, currentTarget }) => {
              if (key === 'Enter') change({ tag: currentTarget.value.trim() });
            }}
          />
        </div>
      </Card>
      <Card isFlush>
        <Loaded resource={letters}>
          {(shown) => (
            <>
              <Letters rows={shown} selected={selected} onToggle={toggle} onAll={setSelected} />
              <Pager
                page={page}
                hasMore={shown.length >= PAGE_SIZE}
                onPage={(to) => change({ page: to === 1 ? '' : String(to) })}
              />
            </>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}

function QueueFilter({
  queueName,
  names,
  onChange,
}: {
  readonly queueName: string;
  readonly names: readonly string[];
  readonly onChange: (queueName: string) => void;
}) {
  // A link may name a queue that is not known here.
  const options = names.includes(queueName) || queueName === '' ? names : [queueName, ...names];
  return (
    <label className="field">
      Queue
      <select value={queueName} onChange={({ target }) => onChange(target.value)}>
        <option value="">every queue</option>
        {options.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

function Letters({
  rows,
  selected,
  onToggle,
  onAll,
}: {
  readonly rows: readonly DeadLetterRow[];
  readonly selected: ReadonlySet<string>;
  readonly onToggle: (id: string, isOn: boolean) => void;
  readonly onAll: (ids: ReadonlySet<string>) => void;
}) {
  const isAll = rows.length > 0 && rows.every(({ id }) => selected.has(id));
  return (
    <Table
      label="Dead letters"
      rows={rows}
      rowKey={({ id }) => id}
      columns={[
        {
          title: 'Select',
          head: (
            <input
              type="checkbox"
              aria-label="Select all that are shown"
              checked={isAll}
              onChange={({ target }) =>
                onAll(target.checked ? new Set(rows.map(({ id }) => id)) : noIds)
              }
            />
          ),
          cell: ({ id }) => (
            <input
              type="checkbox"
              aria-label={`Select ${id}`}
              checked={selected.has(id)}
              onChange={({ target }) => onToggle(id, target.checked)}
            />
          ),
        },
        {
          title: 'Job',
          cell: ({ id }) => <JobLink id={id} />,
        },
        { title: 'Queue', cell: ({ queueName }) => queueName },
        {
          title: 'Last error',
          cell: ({ lastError }) => <span className="dead-error">{lastError ?? '–'}</span>,
        },
        { title: 'Payload', cell: (row) => <Payload row={row} /> },
        { title: 'Given up', cell: ({ diedAt }) => <Ago at={diedAt} /> },
      ]}
    >
      <Empty icon="check" title="No dead letters">
        Every job got through, or has tries left.
      </Empty>
    </Table>
  );
}
