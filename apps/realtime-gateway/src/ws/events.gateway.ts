import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { AccessWatch, Principals } from '@spooled/access';
import { AppError, MAX_COMMAND_BYTES, realtimeApi, type StreamQuery } from '@spooled/contracts';
import { HttpServer, type Upgrade } from '@spooled/http';
import type { IncomingMessage } from 'node:http';
import { WebSocketServer, type WebSocket } from 'ws';
import { REALTIME_CONFIG, type RealtimeConfig } from '../config.js';
import { Admission, refuseOutOfScope, urlFilters, type Seat } from '../fanout/admission.js';
import { Pulse } from '../fanout/pulse.js';
import { RealtimeMetrics } from '../fanout/realtime-metrics.js';
import { Streams } from '../fanout/streams.js';
import { TimerWheel } from '../fanout/timer-wheel.js';
import { WsConnection } from './ws-connection.js';

/** Edge, WebSocket: turns an upgrade request that passed every check into a connection. */
@Injectable()
export class EventsGateway implements OnModuleInit {
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // Measured: compression costs twice the CPU and 64 KiB and more per connection.
    perMessageDeflate: false,
    maxPayload: MAX_COMMAND_BYTES,
  });
  /** What the 101 says beside the handshake. */
  readonly #headers = new WeakMap<IncomingMessage, Upgrade['headers']>();

  constructor(
    private readonly http: HttpServer,
    private readonly admission: Admission,
    private readonly streams: Streams,
    private readonly access: AccessWatch,
    private readonly principals: Principals,
    private readonly pulse: Pulse,
    private readonly wheel: TimerWheel,
    private readonly metrics: RealtimeMetrics,
    @Inject(REALTIME_CONFIG) private readonly config: RealtimeConfig,
  ) {}

  onModuleInit(): void {
    this.#server.on('headers', (lines, request) => {
      const headers = Object.entries(this.#headers.get(request) ?? {});
      lines.push(...headers.map(([name, value]) => `${name}: ${value}`));
    });
    this.http.onUpgrade(realtimeApi.webSocket, (upgrade) => this.#open(upgrade));
  }

  async #open(upgrade: Upgrade): Promise<void> {
    const { principal, raw, socket, head } = upgrade;
    const query = upgrade.query as StreamQuery;
    refuseOutOfScope(principal, urlFilters(query).filter);
    const seat = await this.admission.seat('ws', principal, query.last_event_id);
    if (socket.destroyed) return seat.release();
    // Whatever ends the socket before the handshake is done must free the place.
    socket.once('close', seat.release);
    this.#headers.set(raw, upgrade.headers);
    this.#server.handleUpgrade(raw, socket, head, (webSocket) => {
      this.#connect(webSocket, upgrade, seat, query);
    });
  }

  #connect(
    socket: WebSocket,
    { principal, socket: raw }: Upgrade,
    seat: Seat,
    query: StreamQuery,
  ): void {
    const { filter: urlFilter, bound: urlBound } = urlFilters(query);
    const { organizationId } = principal;
    let unwatch: () => void = () => undefined;
    const connection = new WsConnection({
      ...seat,
      socket,
      raw,
      principal,
      urlFilter,
      urlBound,
      pulse: this.pulse,
      silentPeerMs: this.config.REALTIME_SILENT_PEER_MS,
      closeGraceMs: this.config.REALTIME_CLOSE_GRACE_MS,
      authenticate: (token) => this.#authenticate(token, organizationId),
      onPrincipal: () => {
        unwatch();
        unwatch = this.access.watch(connection);
      },
    });
    unwatch = this.access.watch(connection);
    const beat = this.wheel.every(this.config.REALTIME_PING_INTERVAL_MS, () => connection.beat());
    socket.once('close', (code) => {
      beat.stop();
      unwatch();
      connection.stop();
      this.streams.remove(connection);
      this.metrics.closed.inc({ transport: 'ws', code });
    });
    connection.start();
    this.streams.add(connection);
  }

  /** A new credential for an open connection must be of the same organization. */
  async #authenticate(token: string, organizationId: string) {
    const principal = await this.principals.resolve(token);
    if (principal?.organizationId !== organizationId) throw new AppError('UNAUTHORIZED');
    return principal;
  }
}
