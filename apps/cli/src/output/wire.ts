/** Events as the wire has them. The client tells of them in camel case; what users put in is theirs and stays. */
import type { StoredEvent } from '@spooled/contracts';
import type { SpooledEvent } from '@spooled/sdk';

const tags = {
  'job.created': 'JobCreated',
  'job.status': 'JobStatusChange',
  'job.completed': 'JobCompleted',
  'job.failed': 'JobFailed',
  'worker.registered': 'WorkerRegistered',
  'worker.deregistered': 'WorkerDeregistered',
  'queue.paused': 'QueuePaused',
  'queue.resumed': 'QueueResumed',
  'schedule.triggered': 'ScheduleTriggered',
} as const satisfies Partial<Record<SpooledEvent['type'], StoredEvent['type']>>;

/** Data of events are flat; only `result` holds more, and is the user's. */
export function wireData(data: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(data).map(([key, value]: [string, unknown]) => [
      key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}

/** Undefined for what is no fact of the log. */
export function storedEventOf({ type, data }: SpooledEvent): StoredEvent | undefined {
  if (!Object.hasOwn(tags, type)) return undefined;
  return { type: tags[type as keyof typeof tags], data: wireData(data) } as StoredEvent;
}
