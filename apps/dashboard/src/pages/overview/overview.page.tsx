import { lazy, Suspense, useState } from 'react';

import { PageFrame } from '../../ui/page.js';
import { Loading } from '../../ui/states.js';
import { Figures } from './figures.js';
import { windows, type Window } from './history.js';
import { LiveEvents } from './live-events.js';
import './overview.css';
import { WindowChoice } from './window-choice.js';
import { WorkerActivity } from './worker-activity.js';

/** Charts are half of what the page weighs, and have nothing to show in the first second. */
const Charts = lazy(async () => ({ default: (await import('./charts.js')).Charts }));

export function Page() {
  const [shown, setShown] = useState<Window>(windows[1]);
  return (
    <PageFrame
      title="Overview"
      description="What happens in your queues, as it happens."
      actions={<WindowChoice shown={shown} onChoice={setShown} />}
    >
      <Figures />
      <Suspense fallback={<Loading label="Loading charts" />}>
        <Charts shown={shown} />
      </Suspense>
      <div className="overview-columns">
        <LiveEvents />
        <WorkerActivity />
      </div>
    </PageFrame>
  );
}
