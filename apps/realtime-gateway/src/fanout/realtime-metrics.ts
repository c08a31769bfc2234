import { Injectable } from '@nestjs/common';
import { Metrics } from '@spooled/telemetry';

/** What an operator can see of the streams. */
@Injectable()
export class RealtimeMetrics {
  readonly connections;
  readonly closed;
  readonly slowConsumers;
  readonly replays;
  readonly cursorsExpired;
  readonly lag;
  readonly #events;
  readonly #bytes;

  constructor(metrics: Metrics) {
    this.connections = metrics.gauge({
      name: 'spooled_realtime_connections',
      help: 'Open streams by transport.',
      labelNames: ['transport'],
    });
    this.closed = metrics.counter({
      name: 'spooled_realtime_closed_total',
      help: 'Streams that ended, by transport and close code (SSE: why we ended it, or `client`; gRPC: or `other`).',
      labelNames: ['transport', 'code'],
    });
    this.slowConsumers = metrics.counter({
      name: 'spooled_realtime_slow_consumers_total',
      help: 'Streams cut because their client did not keep up.',
    });
    this.replays = metrics.counter({
      name: 'spooled_realtime_replays_total',
      help: 'Replays from a cursor.',
    });
    this.cursorsExpired = metrics.counter({
      name: 'spooled_realtime_cursors_expired_total',
      help: 'Gaps that were announced with CURSOR_EXPIRED.',
    });
    this.lag = metrics.histogram({
      name: 'spooled_realtime_fanout_lag_seconds',
      help: 'From the time in an event to its delivery to live streams.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
    });
    this.#events = metrics.counter({
      name: 'spooled_realtime_events_delivered_total',
      help: 'Stored events handed to sockets.',
      labelNames: ['transport'],
    });
    this.#bytes = metrics.counter({
      name: 'spooled_realtime_bytes_total',
      help: 'Bytes of stored events handed to sockets.',
      labelNames: ['transport'],
    });
  }

  count(transport: string, events: number, bytes: number): void {
    this.#events.inc({ transport }, events);
    this.#bytes.inc({ transport }, bytes);
  }
}
