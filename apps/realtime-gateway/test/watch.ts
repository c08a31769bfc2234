import { collectSse, WsClient } from '@spooled/testing';
import { grpcPort, watchGrpc } from './grpc-client.js';
import type { Caller, TestGateway, Wire } from './setup.js';

/** What is asked of any transport. */
export interface Wanted {
  readonly queue?: string;
  readonly job?: string;
  /** Dotted names. */
  readonly events?: readonly string[];
  /** Cursor to resume after. */
  readonly after?: string;
}

/** A client of any transport. */
export interface Watch {
  /** What arrived whole, in order. */
  readonly messages: readonly Wire[];
  /** The stored events among it. */
  readonly events: readonly Wire[];
  /** The connection is over, whoever ended it. */
  readonly ended: Promise<void>;
  cut(): void;
}

export interface WatchTransport {
  /** Where the gateway serves it. */
  port(gateway: TestGateway): number;
  /** Connects through any port that leads there. Never fails: a connection that comes to nothing is one that ended. */
  watch(port: number, caller: Caller, wanted: Wanted): Promise<Watch>;
}

/** A connection that was over before it began. */
const STILLBORN = watching(
  () => [],
  Promise.resolve(),
  () => undefined,
);

const webSocket: WatchTransport = {
  port: ({ port }) => port,
  watch: async (port, { credential }, wanted) => {
    const query = new URLSearchParams({ token: credential, ...urlQuery(wanted) });
    const url = `ws://127.0.0.1:${port}/api/v1/ws?${query.toString()}`;
    const client = await WsClient.open(url).catch(() => undefined);
    if (client === undefined) return STILLBORN;
    return watching(
      () => client.messages as Wire[],
      client.closed,
      () => client.terminate(),
    );
  },
};

const sse: WatchTransport = {
  port: ({ port }) => port,
  watch: async (port, { credential }, wanted) => {
    const query = new URLSearchParams(urlQuery(wanted));
    const url = `http://127.0.0.1:${port}/api/v1/events?${query.toString()}`;
    const headers = { authorization: `Bearer ${credential}` };
    const stream = await collectSse(url, { headers }).catch(() => undefined);
    if (stream === undefined) return STILLBORN;
    return watching(
      () => stream.events.map(({ data }) => JSON.parse(data) as Wire),
      stream.ended,
      () => void stream.close(),
    );
  },
};

const grpc: WatchTransport = {
  port: grpcPort,
  watch: async (port, { credential }, { queue, job, events, after }) => {
    const stream = watchGrpc(port, credential, {
      queue_names: queue === undefined ? [] : [queue],
      job_ids: job === undefined ? [] : [job],
      event_types: [...(events ?? [])],
      last_event_id: after ?? '',
    });
    // The first message says that the subscription stands, as the head does elsewhere.
    const first = stream.waitFor(() => true).catch(() => undefined);
    await Promise.race([first, stream.ended]);
    return watching(
      () => stream.wires,
      stream.ended,
      () => stream.cancel(),
    );
  },
};

export const transports = { WebSocket: webSocket, SSE: sse, gRPC: grpc } as const;

function watching(read: () => readonly Wire[], ended: Promise<unknown>, cut: () => void): Watch {
  return {
    get messages() {
      return read();
    },
    get events() {
      return read().filter(({ id }) => id !== undefined);
    },
    ended: ended.then(() => undefined),
    cut,
  };
}

function urlQuery({ queue, job, events, after }: Wanted): Record<string, string> {
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(job === undefined ? {} : { job_id: job }),
    ...(events === undefined ? {} : { events: events.join(',') }),
    ...(after === undefined ? {} : { last_event_id: after }),
  };
}
