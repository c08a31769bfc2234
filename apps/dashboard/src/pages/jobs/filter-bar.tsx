import { useResource } from '../../live/use-resource.js';
import { queuesResource } from '../../live/queues.js';
import { Icon } from '../../ui/icon.js';
import { hasFilter, statuses, type Filters } from './filters.js';

export function FilterBar({
  filters,
  onChange,
}: {
  readonly filters: Filters;
  readonly onChange: (filters: Filters) => void;
}) {
  const { state: queues } = useResource(queuesResource);
  const change = (part: Partial<Filters>) => onChange({ ...filters, page: 1, ...part });
  const names = queues.status === 'ready' ? queues.value.map(({ queueName }) => queueName) : [];
  return (
    <search className="filters">
      <form
        className="filters-search"
        onSubmit={(event) => {
          event.preventDefault();
          const given = new FormData(event.currentTarget);
          change({ q: textOf(given, 'q'), tag: textOf(given, 'tag') });
        }}
      >
        <input
          // Made anew when the URL changes, so that going back shows what was looked for.
          key={`q:${filters.q}`}
          name="q"
          type="search"
          defaultValue={filters.q}
          placeholder="Id, key, tag, queue or type"
          aria-label="Search jobs"
        />
        <input
          key={`tag:${filters.tag}`}
          name="tag"
          type="search"
          defaultValue={filters.tag}
          placeholder="Tag"
          aria-label="Tag"
          className="filters-tag"
        />
        <button className="button" aria-label="Search">
          <Icon name="search" />
        </button>
      </form>
      <select
        aria-label="Queue"
        value={filters.queue}
        onChange={(event) => change({ queue: event.currentTarget.value })}
      >
        <option value="">All queues</option>
        {[...new Set([...names, filters.queue])]
          .filter((name) => name !== '')
          .map((name) => (
            <option key={name}>{name}</option>
          ))}
      </select>
      <div className="choice" role="group" aria-label="Status">
        {statuses.map((status) => {
          const isWanted = filters.statuses.includes(status);
          const next = isWanted
            ? filters.statuses.filter((each) => each !== status)
            : [...filters.statuses, status];
          return (
            <button
              key={status}
              type="button"
              aria-pressed={isWanted}
              onClick={() => change({ statuses: next })}
            >
              {status}
            </button>
          );
        })}
      </div>
      {hasFilter(filters) && (
        <button
          type="button"
          className="button"
          onClick={() => onChange({ q: '', queue: '', tag: '', statuses: [], page: 1 })}
        >
          <Icon name="close" /> Clear
        </button>
      )}
    </search>
  );
}

function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value.trim() : '';
}
