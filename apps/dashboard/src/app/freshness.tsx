import { useConnection } from '../session/session-context.js';
import { ClockTime } from '../ui/time.js';

/** How new what is shown is: the mark at the head of every page. */
export function Freshness() {
  const { state, delayMs, heardAt } = useConnection();
  return (
    <span
      className="freshness"
      data-state={state}
      role="status"
      aria-live="off"
      data-testid="freshness"
    >
      <span className="freshness-dot" aria-hidden="true" />
      {state === 'live' && (
        <span>live{delayMs !== undefined && <span className="tabular"> · {delayMs} ms</span>}</span>
      )}
      {state === 'connecting' && <span>connecting</span>}
      {state === 'degraded' && <span>live · the server lacks its database or bus</span>}
      {state === 'reconnecting' && <span>reconnecting</span>}
      {(state === 'offline' || state === 'stopped') && <span>offline</span>}
      {heardAt !== undefined && state !== 'live' && state !== 'degraded' && (
        <span>
          · stale since <ClockTime at={heardAt} />
        </span>
      )}
    </span>
  );
}
