import { createContext, useContext } from 'react';

import { useStore } from '../live/store.js';
import type { Connection } from '../live/live-feed.js';
import type { Session } from './session.js';

export const SessionContext = createContext<Session | undefined>(undefined);

/** Who is signed in: `client`, `identity`, `isUnrestricted`, `canUseQueue(name)`. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new Error('nobody is signed in here');
  return session;
}

export function useConnection(): Connection {
  return useStore(useSession().feed.connection);
}

/** Why nothing can be changed now; undefined when it can. What is shown may be old while the stream is away. */
export function useReadOnlyReason(): string | undefined {
  const { state } = useConnection();
  if (state === 'live') return undefined;
  if (state === 'degraded') return 'The server lacks its database or its bus.';
  return 'What you see may be old: actions are off until the stream is back.';
}
