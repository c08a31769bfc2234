import { Inject, Injectable } from '@nestjs/common';
import { eventsGrpc, type GrpcSubscribeRequest } from '@spooled/contracts';
import { encoderOf, Grpc, type CallOf } from '@spooled/grpc';
import { REALTIME_CONFIG, type RealtimeConfig } from '../config.js';
import { Admission, refuseOutOfScope, type Seat } from '../fanout/admission.js';
import { MATCH_ALL, type EventFilter } from '../fanout/event-filter.js';
import { Pulse } from '../fanout/pulse.js';
import { RealtimeMetrics } from '../fanout/realtime-metrics.js';
import { Selector } from '../fanout/selector.js';
import { CHECKS_PER_SILENCE } from '../fanout/silence.js';
import { Streams } from '../fanout/streams.js';
import { TimerWheel } from '../fanout/timer-wheel.js';
import { GrpcStream } from './grpc-stream.js';
import { grpcTransport } from './grpc-transport.js';

type SubscribeCall = CallOf<typeof eventsGrpc.subscribeEvents>;

/** Edge, gRPC: one more way to read the same streams. */
@Injectable()
export class EventsGrpc {
  readonly #transport = grpcTransport(encoderOf(eventsGrpc.subscribeEvents));

  constructor(
    private readonly admission: Admission,
    private readonly streams: Streams,
    private readonly pulse: Pulse,
    private readonly wheel: TimerWheel,
    private readonly metrics: RealtimeMetrics,
    @Inject(REALTIME_CONFIG) private readonly config: RealtimeConfig,
  ) {}

  @Grpc(eventsGrpc.subscribeEvents)
  async subscribe(call: SubscribeCall): Promise<void> {
    const { principal, request } = call;
    const filters = filtersOf(request);
    for (const filter of filters) refuseOutOfScope(principal, filter);
    const seat = await this.admission.seat('grpc', principal, request.last_event_id ?? undefined);
    try {
      await this.#deliver(call, seat, filters);
    } finally {
      seat.release();
    }
  }

  async #deliver(call: SubscribeCall, seat: Seat, filters: readonly EventFilter[]): Promise<void> {
    const { REALTIME_PING_INTERVAL_MS: pingIntervalMs } = this.config;
    const url: EventFilter = { ...MATCH_ALL, events: call.request.event_types };
    const stream = new GrpcStream({
      transport: this.#transport,
      sink: call.stream,
      seat,
      principal: call.principal,
      selectorFor: (access) => new Selector({ access, url }, filters),
      pulse: this.pulse,
    });
    call.onAccess(() => stream.applyAccess(call.principal));
    const turns = [
      this.wheel.every(pingIntervalMs / CHECKS_PER_SILENCE, () => stream.checkSilence()),
      this.wheel.every(pingIntervalMs, () => stream.tellHealth()),
    ];
    this.streams.add(stream);
    try {
      call.stream.open({ 'last-event-id': seat.hub.cursor(seat.after) });
      await stream.run(call.signal);
    } finally {
      for (const turn of turns) turn.stop();
      this.streams.remove(stream);
      this.metrics.closed.inc({ transport: 'grpc', code: stream.closedBecause ?? 'other' });
    }
  }
}

/** An event passes that matches any of them. */
function filtersOf({ queue_names, job_ids }: GrpcSubscribeRequest): readonly EventFilter[] {
  const filters = [
    ...queue_names.map((queue) => ({ ...MATCH_ALL, queue })),
    ...job_ids.map((jobId) => ({ ...MATCH_ALL, jobId })),
  ];
  return filters.length === 0 ? [MATCH_ALL] : filters;
}
