import type { Answer } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { isAbout, type JobEvent } from './job-view.js';

export type HistoryEntry = Answer<'jobs', 'history'>[number];

const LIMIT = 500;

/** What happened to a job, oldest first; from the server as far as it keeps it, then from events. */
export function timelineResource(id: string): Resource<readonly HistoryEntry[]> {
  return {
    key: `history:${id}`,
    load: (client, signal) => client.jobs.history(id, { limit: LIMIT }, { signal }),
    apply: (entries, events) =>
      events.reduce((now, event) => (isAbout(event, id) ? withEvent(now, event) : now), entries),
  };
}

/** Transitions are numbered, so that one is told once, by however many events. */
function withEvent(entries: readonly HistoryEntry[], event: JobEvent): readonly HistoryEntry[] {
  const entry = entryOf(event);
  if (entry === undefined) return entries;
  const { rev } = entry.details;
  const known = entries.find(({ details }) => details.rev === rev);
  if (known === undefined) return [...entries, entry].sort((a, b) => a.details.rev - b.details.rev);
  const details = { ...entry.details, ...known.details };
  const isNews = Object.keys(details).length > Object.keys(known.details).length;
  if (!isNews) return entries;
  return entries.map((each) => (each === known ? { ...known, details } : each));
}

const typeOf: Readonly<Record<string, HistoryEntry['eventType']>> = {
  processing: 'processing',
  completed: 'completed',
  cancelled: 'cancelled',
  deadletter: 'deadlettered',
};

function entryOf(event: JobEvent): HistoryEntry | undefined {
  const { jobId } = event.data;
  const common = { id: event.id ?? '', jobId, createdAt: event.timestamp };
  switch (event.type) {
    case 'job.created':
      return { ...common, eventType: 'created', workerId: null, details: { rev: event.data.rev } };
    case 'job.status': {
      const { rev, newStatus, oldStatus, workerId = null } = event.data;
      const back = oldStatus === 'processing' ? 'retry_scheduled' : 'retried';
      // Its time has come: nothing that the history tells.
      if (newStatus === 'pending' && oldStatus === 'scheduled') return undefined;
      return { ...common, eventType: typeOf[newStatus] ?? back, workerId, details: { rev } };
    }
    case 'job.completed': {
      const { rev, durationMs, workerId } = event.data;
      return {
        ...common,
        eventType: 'completed',
        workerId,
        details: { rev, duration_ms: durationMs },
      };
    }
    case 'job.failed': {
      const { rev, error, workerId, willRetry, nextRetryAt } = event.data;
      const eventType = willRetry ? 'retry_scheduled' : 'deadlettered';
      const details = { rev, error, ...(nextRetryAt !== undefined && { retry_at: nextRetryAt }) };
      return { ...common, eventType, workerId, details };
    }
    default:
      return undefined;
  }
}
