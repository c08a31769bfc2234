import { Inject, Injectable } from '@nestjs/common';
import { AccessWatch } from '@spooled/access';
import {
  AppError,
  canUseQueue,
  eventLogRpc,
  jobsRpc,
  optInEvents,
  realtimeApi,
  type EventTag,
  type Principal,
} from '@spooled/contracts';
import { withStatus, type RequestOf, type StatusAnswer } from '@spooled/http';
import { Bus } from '@spooled/nats';
import { REALTIME_CONFIG, type RealtimeConfig } from '../config.js';
import {
  Admission,
  mayAskFor,
  refuseOutOfScope,
  urlFilters,
  type Seat,
} from '../fanout/admission.js';
import { eventTags, MATCH_ALL, matchesFilter, type EventFilter } from '../fanout/event-filter.js';
import { Message } from '../fanout/message.js';
import { Pulse } from '../fanout/pulse.js';
import { askCounters } from '../fanout/queue-stats.js';
import { RealtimeMetrics } from '../fanout/realtime-metrics.js';
import { Selector } from '../fanout/selector.js';
import { CHECKS_PER_SILENCE } from '../fanout/silence.js';
import { Streams } from '../fanout/streams.js';
import { TimerWheel } from '../fanout/timer-wheel.js';
import { endOf, isTerminal } from './job-end.js';
import { SseStream, type SseStreamOptions } from './sse-stream.js';

type EventsRequest = RequestOf<typeof realtimeApi.events>;
type JobRequest = RequestOf<typeof realtimeApi.jobEvents>;
type QueueRequest = RequestOf<typeof realtimeApi.queueEvents>;
type AnyRequest = EventsRequest | JobRequest | QueueRequest;

const QUEUE_NAME = /^[A-Za-z0-9._-]{1,100}$/;
/** A job that failed for good says so in a second event, usually of the same write. */
const LAST_WORD_MS = 250;
const JOB_EVENTS: ReadonlySet<EventTag> = new Set(['JobStatusChange', 'JobCompleted', 'JobFailed']);
const QUEUE_EVENTS: ReadonlySet<EventTag> = new Set([
  'JobCreated',
  ...JOB_EVENTS,
  'QueueStats' as const,
]);

interface JobSnapshot {
  readonly jobId: string;
  readonly queueName: string;
  readonly status: string;
  readonly rev: number;
}

/** What the three SSE routes do. */
@Injectable()
export class EventStreams {
  constructor(
    private readonly admission: Admission,
    private readonly streams: Streams,
    private readonly access: AccessWatch,
    private readonly bus: Bus,
    private readonly pulse: Pulse,
    private readonly wheel: TimerWheel,
    private readonly metrics: RealtimeMetrics,
    @Inject(REALTIME_CONFIG) private readonly config: RealtimeConfig,
  ) {}

  /** Every event of the organization that passes the URL's filters. */
  async ofOrganization(request: EventsRequest): Promise<void> {
    const { filter, bound } = urlFilters(request.query);
    refuseOutOfScope(request.principal, filter);
    const seat = await this.#seat(request);
    const stream = this.#open(request, seat, {
      selectorFor: (access) => new Selector({ access, url: bound }, [filter]),
      tellsHealth: true,
    });
    stream?.start();
  }

  /** One queue: its counters now, then its job events and its counters whenever they change. */
  async ofQueue(request: QueueRequest): Promise<void> {
    const { name } = request.params;
    if (!QUEUE_NAME.test(name)) throw new AppError('BAD_REQUEST', 'This is no queue name.');
    const events = withNamed(QUEUE_EVENTS, request);
    const filter: EventFilter = { ...MATCH_ALL, queue: name, events };
    const isInReach = (caller: Principal): boolean =>
      mayAskFor(caller, name, null) && caller.narrowedTo?.jobId == null;
    if (!isInReach(request.principal)) {
      throw new AppError('ACCESS_DENIED', 'The credential is not good for this queue.');
    }
    const seat = await this.#seat(request);
    const [counters] = await this.#orRelease(
      seat,
      askCounters(this.bus, request.principal.organizationId, [name]),
    );
    const stream = this.#open(request, seat, {
      selectorFor: (access) => (isInReach(access) ? new Selector({ access }, [filter]) : null),
    });
    stream?.start(counters === undefined ? [] : [new Message(counters)]);
  }

  /** One job: where it stands, then what happens to it, until it is done. */
  async ofJob(request: JobRequest): Promise<StatusAnswer | undefined> {
    const seat = await this.#seat(request);
    // Taken before the snapshot, so that nothing falls between the two.
    const present = { ...seat, after: seat.hub.position };
    const snapshot = await this.#orRelease(seat, this.#snapshot(request));
    if (snapshot === null) {
      this.#sayNotFound(request, seat);
      return undefined;
    }
    if (lastEventId(request) === undefined || seat.isCursorExpired) {
      await this.#followJob(request, present, snapshot);
      return undefined;
    }
    const missed = await this.#orRelease(seat, this.#missed(seat, snapshot));
    if (missed === 'nothing') {
      seat.release();
      return withStatus(204, null);
    }
    if (missed === 'too much') {
      await this.#followJob(request, { ...present, isCursorExpired: true }, snapshot);
    } else {
      // The client knows the past up to its cursor: it gets what it missed, and no snapshot.
      this.#openJob(request, seat, snapshot, undefined)?.start();
    }
    return undefined;
  }

  async #followJob(request: JobRequest, seat: Seat, snapshot: JobSnapshot): Promise<void> {
    const { jobId, queueName, status, rev } = snapshot;
    // Said before the snapshot, after which a finished job's stream ends.
    const gap = seat.isCursorExpired ? [await seat.hub.gap()] : [];
    const present = new Message({
      type: 'JobStatusChange',
      data: {
        job_id: jobId,
        queue_name: queueName,
        old_status: '',
        new_status: status,
        timestamp: new Date().toISOString(),
        rev,
      },
    });
    const stream = this.#openJob(request, { ...seat, isCursorExpired: false }, snapshot, rev);
    stream?.start([...gap, present]);
    if (isTerminal(status)) stream?.close('finished');
  }

  #openJob(
    request: JobRequest,
    seat: Seat,
    { jobId, queueName }: JobSnapshot,
    afterRev: number | undefined,
  ): SseStream | undefined {
    const filter: EventFilter = { ...MATCH_ALL, jobId, events: withNamed(JOB_EVENTS, request) };
    const stream: SseStream | undefined = this.#open(request, seat, {
      selectorFor: (access) =>
        mayAskFor(access, queueName, jobId) ? new Selector({ access, afterRev }, [filter]) : null,
      onSent: (messages) => {
        for (const { event } of messages) {
          const end = endOf(event);
          if (end === 'end') stream?.close('finished');
          else if (end === 'ending') setTimeout(() => stream?.close('finished'), LAST_WORD_MS);
        }
      },
    });
    return stream;
  }

  /** A browser cannot read the body of a 404, so the refusal is an event. */
  #sayNotFound(request: JobRequest, seat: Seat): void {
    const stream = this.#open(request, seat, {
      selectorFor: (access) => new Selector({ access }, [NOTHING]),
    });
    const data = {
      message: 'Job not found',
      timestamp: new Date().toISOString(),
      code: 'NOT_FOUND',
    };
    stream?.start([new Message({ type: 'Error', data })]);
    stream?.close('finished');
  }

  /** @throws AppError `SERVICE_UNAVAILABLE` */
  async #snapshot({ principal, params: { id } }: JobRequest): Promise<JobSnapshot | null> {
    if (id.length > 255 || !mayAskFor(principal, null, id)) return null;
    const { organizationId, narrowedTo } = principal;
    const { job } = await this.bus.request(jobsRpc.snapshot, { organizationId, jobId: id });
    if (job === null || !canUseQueue(principal, job.queueName)) return null;
    return narrowedTo?.queue == null || narrowedTo.queue === job.queueName ? job : null;
  }

  /**
   * What a client that resumes has missed of a job: `nothing` only when the job is done and the log has nothing of it after
   * the cursor, `too much` when the log does not reach back to it. @throws AppError `SERVICE_UNAVAILABLE`
   */
  async #missed(
    { hub, after }: Seat,
    { jobId, status }: JobSnapshot,
  ): Promise<'something' | 'nothing' | 'too much'> {
    const { positions } = await this.bus.request(eventLogRpc.positions, {
      organizationIds: [hub.organizationId],
    });
    const { oldest, newest } = positions[0] ?? { oldest: 1, newest: 0 };
    if (after + 1 < oldest) return 'too much';
    if (!isTerminal(status)) return 'something';
    // The job's end is committed, but the feed may be a moment behind the database.
    await hub.reached(newest);
    const filter: EventFilter = { ...MATCH_ALL, jobId, events: JOB_EVENTS };
    for await (const page of hub.feed.read(after, hub.position)) {
      if (page.some(({ event }) => matchesFilter(filter, event))) return 'something';
    }
    return 'nothing';
  }

  #seat(request: AnyRequest): Promise<Seat> {
    return this.admission.seat('sse', request.principal, lastEventId(request));
  }

  async #orRelease<T>(seat: Seat, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      seat.release();
      throw error;
    }
  }

  /** Takes the response over. Undefined when the client is gone already. */
  #open(
    { reply, principal, query }: AnyRequest,
    seat: Seat,
    {
      tellsHealth = false,
      ...options
    }: Pick<SseStreamOptions, 'selectorFor' | 'onSent'> & { readonly tellsHealth?: boolean },
  ): SseStream | undefined {
    reply.hijack();
    const { raw: response } = reply;
    if (response.destroyed || response.socket === null) {
      seat.release();
      return undefined;
    }
    const stream = new SseStream({
      ...options,
      response,
      headers: reply.getHeaders(),
      seat,
      principal,
      isNamed: query.named === 'true',
      pulse: this.pulse,
      closeGraceMs: this.config.REALTIME_CLOSE_GRACE_MS,
    });
    const unwatch = this.access.watch(stream);
    const checks = this.wheel.every(this.config.REALTIME_SSE_SILENCE_MS / CHECKS_PER_SILENCE, () =>
      stream.checkSilence(),
    );
    const health = tellsHealth
      ? this.wheel.every(this.config.REALTIME_SSE_HEALTH_INTERVAL_MS, () => stream.tellHealth())
      : undefined;
    response.once('close', () => {
      checks.stop();
      health?.stop();
      unwatch();
      stream.stop();
      seat.release();
      this.streams.remove(stream);
      this.metrics.closed.inc({ transport: 'sse', code: stream.closedBecause ?? 'client' });
    });
    this.streams.add(stream);
    return stream;
  }
}

/** Matches no event. */
const NOTHING: EventFilter = { ...MATCH_ALL, events: new Set() };

/** A stream's own events, and those that the request names of the ones that come on demand. */
function withNamed(
  own: ReadonlySet<EventTag>,
  { query }: JobRequest | QueueRequest,
): ReadonlySet<EventTag> {
  const named = eventTags((query.events ?? '').split(',')) ?? [];
  return new Set([...own, ...[...named].filter((tag) => optInEvents.has(tag))]);
}

/** Where the client left off: what EventSource sends by itself, or what was written into the URL. */
function lastEventId({ headers, query }: AnyRequest): string | undefined {
  const header = headers['last-event-id'];
  const given = typeof header === 'string' && header !== '' ? header : query.last_event_id;
  return given === '' ? undefined : given;
}
