import { useEffect, useMemo } from 'react';

import { queuesResource } from '../../live/queues.js';
import { useStore } from '../../live/store.js';
import { useResource } from '../../live/use-resource.js';
import { useSession } from '../../session/session-context.js';
import { Chart } from '../../ui/chart.js';
import { count } from '../../ui/numbers.js';
import { Card } from '../../ui/page.js';
import { durationText } from '../../ui/time.js';
import { binned, type Bin, type Window } from './history.js';

/** More lines than this cannot be told apart. */
const MAX_QUEUES = 6;
const lineColors = ['--accent', '--violet', '--amber', '--blue', '--red', '--green'];

const perSecond = (value: number) => (value < 10 ? value.toFixed(1) : count(Math.round(value)));

/** How it went lately. The history is what this tab has seen, so it begins with the sign-in. */
export function Charts({ shown }: { readonly shown: Window }) {
  const { activity } = useSession();
  const history = useStore(activity.history);
  const { state: queues } = useResource(queuesResource);
  useEffect(() => {
    if (queues.status !== 'ready') return;
    for (const { queueName, counts } of queues.value) activity.noteDepth(queueName, counts.pending);
  }, [activity, queues]);
  const bins = useMemo(() => binned(history, shown), [history, shown]);
  const times = bins.map(({ at }) => at);
  return (
    <div className="charts">
      <Card title="Jobs per second">
        <Chart
          label="Jobs per second"
          times={times}
          format={perSecond}
          isFilled
          series={[
            {
              label: 'completed',
              color: '--green',
              values: bins.map(({ completed }) => completed),
            },
            { label: 'created', color: '--blue', values: bins.map(({ created }) => created) },
            { label: 'failed tries', color: '--red', values: bins.map(({ failed }) => failed) },
          ]}
        />
      </Card>
      <Card title="Time from claim to completion">
        <Chart
          label="Duration"
          times={times}
          format={durationText}
          series={[
            { label: 'median', color: '--accent', values: bins.map(({ median }) => median) },
            { label: '95 % within', color: '--violet', values: bins.map(({ p95 }) => p95) },
          ]}
        />
      </Card>
      <Card title="Waiting and scheduled, by queue">
        <Chart label="Jobs by queue" times={times} format={count} series={depthSeries(bins)} />
      </Card>
    </div>
  );
}

/** The deepest queues of the window. */
function depthSeries(bins: readonly Bin[]) {
  const deepest = new Map<string, number>();
  for (const { depths } of bins) {
    for (const [name, depth] of depths) deepest.set(name, Math.max(depth, deepest.get(name) ?? 0));
  }
  const names = [...deepest]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MAX_QUEUES)
    .map(([name]) => name)
    .sort();
  return names.map((name, index) => ({
    label: name,
    color: lineColors[index] ?? '--grey',
    values: bins.map(({ depths }) => depths.get(name) ?? null),
  }));
}
