import type { EventTag, RealtimeEvent, StoredEvent } from '@spooled/contracts';

import { toCamelCase, type Camel } from '../camel-case.js';

/** Names by the tags of the wire; the compiler keeps the tags, a test the names, equal to the contract. */
export const eventNames = {
  JobCreated: 'job.created',
  JobStatusChange: 'job.status',
  JobCompleted: 'job.completed',
  JobFailed: 'job.failed',
  QueueStats: 'queue.stats',
  WorkerHeartbeat: 'worker.heartbeat',
  JobProgress: 'job.progress',
  JobLog: 'job.log',
  WorkerRegistered: 'worker.registered',
  WorkerDeregistered: 'worker.deregistered',
  QueuePaused: 'queue.paused',
  QueueResumed: 'queue.resumed',
  ScheduleTriggered: 'schedule.triggered',
  SystemHealth: 'system.health',
  Ping: 'ping',
  Error: 'error',
} as const satisfies Record<EventTag, string>;

type Names = typeof eventNames;
type Data<T extends EventTag> = Camel<Extract<RealtimeEvent, { type: T }>['data']>;

/** An event by its tag. */
type EventOf<T extends EventTag> = {
  readonly type: Names[T];
  readonly data: Data<T>;
  readonly timestamp: string;
  /** The cursor: kept by whoever wants to go on after this event later. Only facts of the log have one. */
  readonly id: T extends StoredEvent['type'] ? string : undefined;
};

/** Events may be missing: the cursor is older than what the server keeps. Read what matters anew; what follows is live. */
export interface GapEvent {
  readonly type: 'gap';
  readonly data: {
    readonly message: string;
    /** The cursor that was given. */
    readonly lostCursor: string | undefined;
    /** The oldest cursor that is still good. */
    readonly resumeFrom: string | undefined;
  };
  readonly timestamp: string;
  readonly id: undefined;
}

/** Pings stay inside. */
export type SpooledEvent =
  { [T in Exclude<EventTag, 'Ping'>]: EventOf<T> }[Exclude<EventTag, 'Ping'>] | GapEvent;
export type EventName = SpooledEvent['type'];
export type EventByName<N extends EventName> = Extract<SpooledEvent, { type: N }>;

/** What can be asked for: names, or everything but `job.progress` and `job.log`, which must be named. */
export type EventSelector = Exclude<EventName, 'gap'> | '*';

/** What a server sends; newer ones may send tags that are not known here. */
export interface Envelope {
  readonly type: string;
  readonly id?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Undefined for what is no event of an application. */
export function toEvent({ type, id, data }: Envelope): SpooledEvent | undefined {
  if (!Object.hasOwn(eventNames, type) || type === 'Ping') return undefined;
  return {
    type: eventNames[type as EventTag],
    id,
    timestamp: data['timestamp'],
    data: toCamelCase(data),
  } as SpooledEvent;
}

/** What is followed; nothing given means everything the credential allows. */
export interface EventFilter {
  readonly queue?: string;
  readonly jobId?: string;
  /** Of the events about workers, only those about this one. */
  readonly workerId?: string;
}

export function isSameFilter(a: EventFilter, b: EventFilter): boolean {
  return a.queue === b.queue && a.jobId === b.jobId && a.workerId === b.workerId;
}

/** The rule of the server, for connections that get more than one filter asks for. */
export function passes(filters: readonly EventFilter[], { type, data }: Envelope): boolean {
  if (filters.length === 0 || data['queue_name'] === undefined) return true;
  return filters.some(
    ({ queue, jobId, workerId }) =>
      (queue === undefined || data['queue_name'] === queue) &&
      (jobId === undefined || data['job_id'] === jobId || data['current_job_id'] === jobId) &&
      (workerId === undefined || !type.startsWith('Worker') || data['worker_id'] === workerId),
  );
}
