import { useState } from 'react';
import { useSearchParams } from 'wouter';

import { useResource } from '../../live/use-resource.js';
import { StatusBadge } from '../../ui/badge.js';
import { JobLink } from '../../ui/job-link.js';
import { count } from '../../ui/numbers.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Pager } from '../../ui/pager.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table, type Column } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';
import { MatchingBar, SelectedBar } from './bulk-bar.js';
import { FilterBar } from './filter-bar.js';
import { hasFilter, readFilters, writeFilters, type Filters } from './filters.js';
import { jobListResource, type JobList, type JobRow } from './job-list.js';
import './jobs.css';

export function Page() {
  const [search, setSearch] = useSearchParams();
  const filters = readFilters(search);
  const list = useResource(jobListResource(filters));
  const show = (next: Filters) => setSearch(writeFilters(next));
  return (
    <PageFrame title="Jobs" description="Newest first. New ones come in at the top.">
      <FilterBar filters={filters} onChange={show} />
      <Loaded resource={list}>
        {(value) => (
          <Listed
            // A selection belongs to what was looked for.
            key={writeFilters(filters).toString()}
            list={value}
            filters={filters}
            onShow={show}
            onReload={list.reload}
          />
        )}
      </Loaded>
    </PageFrame>
  );
}

function Listed({
  list: { rows, hasMore, unjudged },
  filters,
  onShow,
  onReload,
}: {
  readonly list: JobList;
  readonly filters: Filters;
  readonly onShow: (filters: Filters) => void;
  readonly onReload: () => void;
}) {
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const { page } = filters;
  const select = (ids: readonly string[], isOn: boolean) => {
    const next = new Set(selected);
    for (const id of ids) {
      if (isOn) next.add(id);
      else next.delete(id);
    }
    setSelected(next);
  };
  const ids = rows.map(({ id }) => id);
  const columns: readonly Column<JobRow>[] = [
    {
      title: 'Selected',
      head: (
        <input
          type="checkbox"
          aria-label="Select all on this page"
          checked={ids.length > 0 && ids.every((id) => selected.has(id))}
          onChange={(event) => select(ids, event.currentTarget.checked)}
        />
      ),
      cell: ({ id }) => (
        <input
          type="checkbox"
          aria-label={`Select job ${id}`}
          checked={selected.has(id)}
          onChange={(event) => select([id], event.currentTarget.checked)}
        />
      ),
    },
    { title: 'Job', cell: ({ id }) => <JobLink id={id} /> },
    { title: 'Status', cell: ({ status }) => <StatusBadge status={status} /> },
    { title: 'Queue', cell: ({ queueName }) => queueName },
    { title: 'Type', cell: ({ jobType }) => jobType || <span className="muted">–</span> },
    { title: 'Priority', isNumber: true, cell: ({ priority }) => count(priority) },
    {
      title: 'Retries',
      isNumber: true,
      cell: ({ retryCount, maxRetries }) => `${retryCount} / ${count(maxRetries)}`,
    },
    { title: 'Created', cell: ({ createdAt }) => <Ago at={createdAt} /> },
    {
      title: 'Last error',
      cell: ({ lastError }) => <span className="jobs-error muted">{lastError}</span>,
    },
  ];
  return (
    <>
      {selected.size > 0 ? (
        <SelectedBar selected={[...selected]} onDone={() => setSelected(new Set())} />
      ) : (
        hasFilter(filters) && rows.length > 0 && <MatchingBar filters={filters} />
      )}
      {unjudged > 0 && (
        <p className="notice">
          {count(unjudged)} jobs came that may match.{' '}
          <button type="button" className="button" onClick={onReload}>
            Look again
          </button>
        </p>
      )}
      <Card isFlush>
        <Table label="Jobs" columns={columns} rows={rows} rowKey={({ id }) => id}>
          {hasFilter(filters) || page > 1 ? (
            <Empty icon="search" title="No job matches">
              Take a filter away, or look for something else.
            </Empty>
          ) : (
            <Empty title="No job yet">
              Enqueue one with <code>POST /api/v1/jobs</code>, and it appears here.
            </Empty>
          )}
        </Table>
        <Pager page={page} hasMore={hasMore} onPage={(to) => onShow({ ...filters, page: to })} />
      </Card>
    </>
  );
}
