import { Injectable } from '@nestjs/common';
import { realtimeApi } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { EventStreams } from './event-streams.service.js';

/** Edge, SSE. */
@Injectable()
export class EventsController {
  constructor(private readonly streams: EventStreams) {}

  @Route(realtimeApi.events)
  organization(request: RequestOf<typeof realtimeApi.events>) {
    return this.streams.ofOrganization(request);
  }

  @Route(realtimeApi.jobEvents)
  job(request: RequestOf<typeof realtimeApi.jobEvents>) {
    return this.streams.ofJob(request);
  }

  @Route(realtimeApi.queueEvents)
  queue(request: RequestOf<typeof realtimeApi.queueEvents>) {
    return this.streams.ofQueue(request);
  }
}
