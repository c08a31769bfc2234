import { useResource } from '../../live/use-resource.js';
import { StatusBadge } from '../../ui/badge.js';
import { Card } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Ago, ClockTime, durationText } from '../../ui/time.js';
import { timelineResource, type HistoryEntry } from './timeline.js';

const words: Readonly<Record<HistoryEntry['eventType'], readonly [status: string, word: string]>> =
  {
    created: ['pending', 'created'],
    processing: ['processing', 'attempt began'],
    completed: ['completed', 'completed'],
    retry_scheduled: ['failed', 'failed, is tried again'],
    released: ['pending', 'given back'],
    deadlettered: ['deadletter', 'dead-lettered'],
    cancelled: ['cancelled', 'cancelled'],
    retried: ['pending', 'retried by hand'],
  };

/** Each attempt: who had it, how long it took, how it ended. */
export function TimelineCard({ id }: { readonly id: string }) {
  const timeline = useResource(timelineResource(id));
  return (
    <Card title="Timeline">
      <Loaded resource={timeline}>
        {(entries) =>
          entries.length === 0 ? (
            <Empty icon="clock" title="Its history is no longer kept" />
          ) : (
            <ol className="timeline">
              {entries.map((entry) => (
                <Entry key={entry.details.rev} entry={entry} />
              ))}
            </ol>
          )
        }
      </Loaded>
    </Card>
  );
}

function Entry({ entry }: { readonly entry: HistoryEntry }) {
  const { eventType, createdAt, workerId, details } = entry;
  const [status, word] = words[eventType] ?? ['', eventType];
  const { attempt, duration_ms: durationMs, error, retry_at: retryAt } = details;
  return (
    <li className="timeline-entry">
      <span className="muted tabular">
        <ClockTime at={createdAt} />
      </span>
      <StatusBadge status={status} label={word} />
      <span className="timeline-facts">
        {attempt !== undefined && <span>attempt {attempt}</span>}
        {durationMs !== undefined && <span>after {durationText(durationMs)}</span>}
        {workerId !== null && <span className="muted mono">{workerId}</span>}
        {retryAt !== undefined && (
          <span className="muted">
            next <Ago at={retryAt} />
          </span>
        )}
        {error !== undefined && <span className="timeline-error">{error}</span>}
      </span>
    </li>
  );
}
