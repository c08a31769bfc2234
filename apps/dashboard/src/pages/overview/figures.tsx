import type { Second } from '../../live/activity.js';
import { queuesResource, type QueueRow } from '../../live/queues.js';
import { useStore } from '../../live/store.js';
import { useResource } from '../../live/use-resource.js';
import { workersResource } from '../../live/workers.js';
import { useSession } from '../../session/session-context.js';
import { count } from '../../ui/numbers.js';

const RATE_SECONDS = 10;

/** The numbers that are read from across the room. */
export function Figures() {
  const { state: queues } = useResource(queuesResource);
  const { state: workers } = useResource(workersResource);
  const history = useStore(useSession().activity.history);
  const total = (pick: (counts: QueueRow['counts']) => number) =>
    queues.status === 'ready'
      ? queues.value.reduce((sum, { counts }) => sum + pick(counts), 0)
      : undefined;
  const alive =
    workers.status === 'ready'
      ? workers.value.filter(({ status }) => status !== 'offline')
      : undefined;
  return (
    <dl className="figures">
      <Figure
        label="Waiting"
        value={count(total(({ pending, scheduled }) => pending - scheduled))}
      />
      <Figure label="Scheduled" value={count(total(({ scheduled }) => scheduled))} />
      <Figure label="Processing" value={count(total(({ processing }) => processing))} />
      <Figure
        label="Dead letters"
        value={count(total(({ deadletter }) => deadletter))}
        isBad={(total(({ deadletter }) => deadletter) ?? 0) > 0}
      />
      <Figure label="Completed / s" value={rate(history, ({ completed }) => completed)} />
      <Figure
        label="Workers"
        value={count(alive?.length)}
        isBad={alive?.length === 0 && (total(({ pending }) => pending) ?? 0) > 0}
      />
    </dl>
  );
}

function Figure({
  label,
  value,
  isBad = false,
}: {
  readonly label: string;
  readonly value: string;
  readonly isBad?: boolean;
}) {
  return (
    <div className="figure" data-bad={isBad}>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Per second, over the last ten. */
function rate(history: readonly Second[], pick: (second: Second) => number): string {
  const last = history.slice(-RATE_SECONDS);
  if (last.length === 0) return '–';
  return (last.reduce((sum, second) => sum + pick(second), 0) / last.length).toFixed(1);
}
