import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef, useState } from 'react';

import type { LogEvent } from '../../live/activity.js';
import { useStore } from '../../live/store.js';
import { useSession } from '../../session/session-context.js';
import { StatusBadge } from '../../ui/badge.js';
import { eventText, isTold } from '../../ui/event-text.js';
import { JobLink } from '../../ui/job-link.js';
import { Card } from '../../ui/page.js';
import { Empty } from '../../ui/states.js';
import { ClockTime } from '../../ui/time.js';

const ROW_HEIGHT = 34;

/** Everything that happens, newest first. It can be stopped to be read; the rest of the page goes on. */
export function LiveEvents() {
  const { activity } = useSession();
  const now = useStore(activity.recent);
  const [held, setHeld] = useState<readonly LogEvent[]>();
  const events = useMemo(() => (held ?? now).filter((event) => !isTold(event)), [held, now]);
  return (
    <Card
      title="Live events"
      isFlush
      aside={
        <button
          type="button"
          className="button"
          aria-pressed={held !== undefined}
          onClick={() => setHeld(held === undefined ? now : undefined)}
        >
          {held === undefined ? 'Hold' : 'Go on'}
        </button>
      }
    >
      {events.length === 0 ? (
        <Empty icon="pulse" title="Nothing has happened since you signed in">
          The next event appears here by itself.
        </Empty>
      ) : (
        <EventList events={events} />
      )}
    </Card>
  );
}

function EventList({ events }: { readonly events: readonly LogEvent[] }) {
  const scroller = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoized by a compiler
  const rows = useVirtualizer({
    count: events.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 4,
    getItemKey: (index) => events[index]?.id ?? index,
  });
  return (
    <div
      ref={scroller}
      className="events"
      tabIndex={0}
      role="region"
      aria-label="Live events, newest first"
    >
      <ol className="events-list" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, key, start }) => {
          const event = events[index];
          return (
            event && (
              <li key={key} className="events-row" style={{ transform: `translateY(${start}px)` }}>
                <EventRow event={event} />
              </li>
            )
          );
        })}
      </ol>
    </div>
  );
}

function EventRow({ event }: { readonly event: LogEvent }) {
  const { status, word, more } = eventText(event);
  const { data } = event;
  return (
    <>
      <span className="muted tabular">
        <ClockTime at={event.timestamp} />
      </span>
      <StatusBadge status={status} label={word} />
      <span className="events-queue">{data.queueName}</span>
      {'jobId' in data ? <JobLink id={data.jobId} /> : <span />}
      <span className="muted events-more">{more}</span>
    </>
  );
}
