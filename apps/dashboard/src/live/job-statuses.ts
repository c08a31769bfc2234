import type { SpooledEvent } from '@spooled/sdk';

/** Where jobs stand after these events, by id; the last word on each. */
export function jobStatuses(events: readonly SpooledEvent[]): ReadonlyMap<string, string> {
  const statuses = new Map<string, string>();
  for (const { type, data } of events) {
    if (type === 'job.created') statuses.set(data.jobId, data.status);
    else if (type === 'job.status') statuses.set(data.jobId, data.newStatus);
  }
  return statuses;
}
