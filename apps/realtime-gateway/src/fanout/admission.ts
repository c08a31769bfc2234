import { Injectable } from '@nestjs/common';
import { AppError, canUseQueue, type Principal, type StreamQuery } from '@spooled/contracts';
import { eventTags, isMatchAll, MATCH_ALL, type EventFilter } from './event-filter.js';
import { Hubs } from './hubs.js';
import type { OrganizationHub } from './organization-hub.js';
import { Places, type StreamKind } from './places.js';
import { Streams } from './streams.js';

/** A stream's place: counted against the cap, and attached to its organization's hub. */
export interface Seat {
  readonly hub: OrganizationHub;
  readonly after: number;
  readonly isCursorExpired: boolean;
  /** Gives the place back; once is enough. */
  readonly release: () => void;
}

/** Who may open a stream, and where it begins. */
@Injectable()
export class Admission {
  constructor(
    private readonly streams: Streams,
    private readonly places: Places,
    private readonly hubs: Hubs,
  ) {}

  /** @throws AppError `RATE_LIMIT_EXCEEDED` over the cap, `SERVICE_UNAVAILABLE` while nothing can be followed or the process stops. */
  async seat(
    kind: StreamKind,
    { organizationId }: Principal,
    lastEventId: string | undefined,
  ): Promise<Seat> {
    this.streams.refuseWhileDraining();
    this.places.take(kind, organizationId);
    let hub: OrganizationHub | undefined;
    let isHeld = true;
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      if (hub !== undefined) this.hubs.release(hub);
      this.places.giveBack(kind, organizationId);
    };
    try {
      hub = await this.hubs.acquire(organizationId);
      return { hub, ...(await hub.startingPoint(lastEventId)), release };
    } catch (error) {
      release();
      throw error;
    }
  }
}

/** The URL's filters: what counts as subscribed once, and what bounds every delivery. */
export function urlFilters(query: StreamQuery): { filter: EventFilter; bound: EventFilter } {
  const { queue, job_id: jobId, worker_id: workerId, events } = query;
  return {
    filter: shared({ ...MATCH_ALL, queue: queue || null, jobId: jobId || null }),
    bound: shared({
      ...MATCH_ALL,
      workerId: workerId || null,
      events: events === undefined ? null : eventTags(events.split(',')),
    }),
  };
}

/** Most streams ask for everything: one object serves them all. */
function shared(filter: EventFilter): EventFilter {
  return isMatchAll(filter) ? MATCH_ALL : filter;
}

/** @throws AppError `ACCESS_DENIED` when the filter asks for what the credential is not good for. */
export function refuseOutOfScope(principal: Principal, { queue, jobId }: EventFilter): void {
  if (mayAskFor(principal, queue, jobId)) return;
  const asked = [queue === null ? [] : `queue ${queue}`, jobId === null ? [] : `job ${jobId}`];
  throw new AppError('ACCESS_DENIED', `The credential is not good for ${asked.flat().join(', ')}.`);
}

/** Whether events of this queue, or of this job, can ever be in the credential's reach. */
export function mayAskFor(
  principal: Principal,
  queue: string | null,
  jobId: string | null,
): boolean {
  const { narrowedTo } = principal;
  const isSame = (asked: string | null, only: string | null | undefined): boolean =>
    asked === null || only == null || asked === only;
  return (
    (queue === null || canUseQueue(principal, queue)) &&
    isSame(queue, narrowedTo?.queue) &&
    isSame(jobId, narrowedTo?.jobId)
  );
}
