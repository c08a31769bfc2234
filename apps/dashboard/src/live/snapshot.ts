import type { SpooledClient } from '@spooled/sdk';

import type { Resource } from './resources.js';

/** Something of which no event tells, and when it was read (milliseconds since 1970). */
export interface Snapshot<T> {
  readonly value: T;
  readonly readAt: number;
}

/** It changes when it is read again: after an action of whoever looks at it, or at their wish. */
export function snapshotOf<T>(
  key: string,
  load: (client: SpooledClient, signal: AbortSignal) => Promise<T>,
): Resource<Snapshot<T>> {
  return {
    key,
    load: async (client, signal) => ({ value: await load(client, signal), readAt: Date.now() }),
  };
}
