import { Module } from '@nestjs/common';
import { loadConfig } from '@spooled/config';
import { REALTIME_CONFIG, realtimeConfig } from './config.js';
import { Admission } from './fanout/admission.js';
import { Hubs } from './fanout/hubs.js';
import { Places } from './fanout/places.js';
import { Pulse } from './fanout/pulse.js';
import { RealtimeMetrics } from './fanout/realtime-metrics.js';
import { Streams } from './fanout/streams.js';
import { TimerWheel } from './fanout/timer-wheel.js';
import { EventsGrpc } from './grpc/events.grpc.js';
import { EventStreams } from './sse/event-streams.service.js';
import { EventsController } from './sse/events.controller.js';
import { EventsGateway } from './ws/events.gateway.js';

/** The room: fan-out over WebSocket, SSE and gRPC. Needs the global modules of the bus, HTTP, access and event feeds. */
@Module({
  providers: [
    { provide: REALTIME_CONFIG, useFactory: () => loadConfig(realtimeConfig) },
    TimerWheel,
    RealtimeMetrics,
    Hubs,
    Places,
    Streams,
    Admission,
    Pulse,
    EventsGateway,
    EventStreams,
    EventsController,
    EventsGrpc,
  ],
})
export class RealtimeGatewayModule {}
