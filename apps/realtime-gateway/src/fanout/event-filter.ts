import {
  eventTag,
  selectEvents,
  type EventTag,
  type RealtimeEvent,
  type SubscriptionFilter,
} from '@spooled/contracts';

/**
 * Which events somebody asks for; null = any (of events: of those that need not be named, see `Selector`). A filter with
 * several fields set needs all of them.
 */
export interface EventFilter {
  readonly queue: string | null;
  readonly jobId: string | null;
  /** Binds events about workers only. */
  readonly workerId: string | null;
  readonly events: ReadonlySet<EventTag> | null;
}

export const MATCH_ALL: EventFilter = Object.freeze({
  queue: null,
  jobId: null,
  workerId: null,
  events: null,
});

/** Fields by which events are matched; each event has some of them. */
interface Subjects {
  readonly queue_name?: string;
  readonly job_id?: string;
  readonly current_job_id?: string | null;
  readonly worker_id?: string;
}

export function matchesFilter(filter: EventFilter, { type, data }: RealtimeEvent): boolean {
  if (type === 'Ping' || type === 'Error') return true;
  if (filter.events !== null && !filter.events.has(type)) return false;
  if (type === 'SystemHealth') return true;
  const { queue_name, job_id, current_job_id, worker_id }: Subjects = data;
  if (filter.queue !== null && queue_name !== filter.queue) return false;
  if (filter.jobId !== null && job_id !== filter.jobId && current_job_id !== filter.jobId) {
    return false;
  }
  return filter.workerId === null || !isAboutWorker(type) || worker_id === filter.workerId;
}

/** Equal filters have equal keys. */
export function filterKey({ queue, jobId, workerId, events }: EventFilter): string {
  return JSON.stringify([queue, jobId, workerId, events === null ? null : [...events].sort()]);
}

export function isMatchAll({ queue, jobId, workerId, events }: EventFilter): boolean {
  return queue === null && jobId === null && workerId === null && events === null;
}

export function toEventFilter({ queue, jobId, workerId, events }: SubscriptionFilter): EventFilter {
  return { queue, jobId, workerId, events: events === null ? null : eventTags(events) };
}

/**
 * The events that names stand for: dotted names and wire tags in any case, `*` = all that need not be named (null). A name
 * we do not know selects nothing: a client may be newer than we are.
 */
export function eventTags(names: readonly string[]): ReadonlySet<EventTag> | null {
  const wanted = names.map((name) => name.trim()).filter((name) => name !== '');
  const tags = wanted.flatMap((name) => eventTag(name) ?? []);
  return selectEvents(tags, wanted.length === 0 || wanted.includes('*'));
}

function isAboutWorker(type: EventTag): boolean {
  return type === 'WorkerHeartbeat' || type === 'WorkerRegistered' || type === 'WorkerDeregistered';
}
