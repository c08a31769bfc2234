import { useSyncExternalStore } from 'react';

import { useSession } from '../session/session-context.js';
import type { Resource, ResourceState } from './resources.js';

export interface UsedResource<T> {
  readonly state: ResourceState<T>;
  /** For a button that says "try again"; nothing else needs it. */
  readonly reload: () => void;
  /** For what an answer says and no event tells. */
  readonly change: (next: (value: T) => T) => void;
}

/** The resource as it is now. Reads it when nobody has yet, and again whenever an event changes it. */
export function useResource<T>(resource: Resource<T>): UsedResource<T> {
  const entry = useSession().resources.entry(resource);
  const state = useSyncExternalStore(entry.subscribe, entry.store.get);
  return { state, reload: () => void entry.load(), change: entry.change };
}
