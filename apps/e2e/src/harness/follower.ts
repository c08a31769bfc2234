/** A subscriber that resumes: when its connection ends it comes back with the newest cursor it has. */
import { setTimeout as delay } from 'node:timers/promises';

import { status, type Metadata, type StatusObject } from '@grpc/grpc-js';
import { parseCursor, type RealtimeEvent, type StoredEvent } from '@spooled/contracts';
import {
  collectSse,
  eventually,
  GrpcClient,
  onCleanUp,
  plainMessage,
  WsClient,
  type GrpcMessage,
} from '@spooled/testing';

import type { Entrance } from './host.js';

export interface Seen {
  readonly seq: number;
  readonly event: StoredEvent;
}

/** What arrived in it stays readable after its end. */
interface Connection {
  /** Where it began: the cursor of its greeting. */
  readonly start: string;
  /** Everything received so far, in order. */
  received(): readonly (RealtimeEvent & { id?: string })[];
  /** Resolves with how the server ended it, as far as the transport says: a close code, the name of a status. */
  readonly ended: Promise<string>;
  cut(): void;
}

type Connect = (lastEventId: string | undefined) => Promise<Connection>;

const retryMs = 50;

export class Follower {
  /** How its connections ended, but for the one that `stop` cuts. */
  readonly ends: string[] = [];
  private readonly connections: Connection[] = [];
  private isStopped = false;
  private following: Promise<void> = Promise.resolve();

  /** Over WebSocket, everything the key may see. */
  static webSocket(host: Entrance, key: string): Promise<Follower> {
    return Follower.start('WebSocket', (cursor) => connectWebSocket(host, key, cursor));
  }

  /** Over SSE, everything the key may see. */
  static sse(host: Entrance, key: string): Promise<Follower> {
    return Follower.start('SSE', (cursor) => connectSse(host, key, cursor));
  }

  /** Over gRPC from `address`, everything the key may see; from now on, or after `start`. */
  static grpc(address: string, key: string, start?: string): Promise<Follower> {
    return Follower.start('gRPC', (cursor = start) => connectGrpc(address, key, cursor));
  }

  private static async start(name: string, connect: Connect): Promise<Follower> {
    const follower = new Follower(name, connect);
    const first = await connect(undefined);
    follower.connections.push(first);
    follower.following = follower.follow(first);
    onCleanUp(() => follower.stop());
    return follower;
  }

  private constructor(
    readonly name: string,
    private readonly connect: Connect,
  ) {}

  get connectionCount(): number {
    return this.connections.length;
  }

  /** Position in the log where following began: the event after it is the first to be seen. */
  get startSeq(): number {
    return seqOf(this.connections[0]?.start);
  }

  /** The stored events, connection by connection. */
  byConnection(): Seen[][] {
    return this.connections.map((connection) =>
      connection
        .received()
        .flatMap(({ id, ...event }) =>
          id === undefined ? [] : [{ seq: seqOf(id), event: event as StoredEvent }],
        ),
    );
  }

  seen(): Seen[] {
    return this.byConnection().flat();
  }

  /** Of what it has seen; where it began when it has seen nothing. */
  newestCursor(): string | undefined {
    for (const connection of [...this.connections].reverse()) {
      const received = connection.received();
      for (let index = received.length - 1; index >= 0; index--) {
        const id = received[index]?.id;
        if (id !== undefined) return id;
      }
    }
    return this.connections[0]?.start;
  }

  /** Error events: announced gaps and the like. */
  errors(): RealtimeEvent[] {
    return this.connections.flatMap((connection) =>
      connection.received().filter(({ type }) => type === 'Error'),
    );
  }

  /** Breaks the connection as a failing network does. */
  cut(): void {
    this.connections.at(-1)?.cut();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.cut();
    await this.following;
  }

  private async follow(first: Connection): Promise<void> {
    await this.endOf(first);
    while (!this.isStopped) {
      try {
        const next = await this.connect(this.newestCursor());
        this.connections.push(next);
        await this.endOf(next);
      } catch {
        await delay(retryMs);
      }
    }
  }

  private async endOf(connection: Connection): Promise<void> {
    const end = await connection.ended;
    if (!this.isStopped) this.ends.push(end);
  }
}

function seqOf(cursor: string | undefined): number {
  const parsed = parseCursor(cursor ?? '');
  if (parsed === null) throw new Error(`not a cursor: ${cursor}`);
  return parsed.seq;
}

async function connectWebSocket(
  host: Entrance,
  key: string,
  cursor: string | undefined,
): Promise<Connection> {
  const resume = cursor === undefined ? '' : `?last_event_id=${cursor}`;
  const socket = await WsClient.open(host.webSocketUrl(`/ws${resume}`), {
    headers: { authorization: `Bearer ${key}` },
  });
  socket.send({ cmd: 'Subscribe', request_id: 'greeting' });
  const greeting = await socket.waitFor<{ type: string; cursor: string }>(
    ({ type }) => type === 'subscribed',
  );
  return {
    start: greeting.cursor,
    received: () => socket.messages as (RealtimeEvent & { id?: string })[],
    ended: socket.closed.then(({ code }) => String(code)),
    cut: () => socket.terminate(),
  };
}

async function connectSse(
  host: Entrance,
  key: string,
  cursor: string | undefined,
): Promise<Connection> {
  const stream = await collectSse(host.url('/events'), {
    headers: {
      authorization: `Bearer ${key}`,
      ...(cursor === undefined ? {} : { 'last-event-id': cursor }),
    },
  });
  if (stream.status !== 200) throw new Error(`the stream was refused with ${stream.status}`);
  const greeting = await eventually(() => stream.comments[0] ?? false);
  const received: (RealtimeEvent & { id?: string })[] = [];
  return {
    start: (greeting || '').split(' ')[1] ?? '',
    received() {
      for (const { data } of stream.events.slice(received.length)) received.push(JSON.parse(data));
      return received;
    },
    ended: stream.ended.then(() => 'ended'),
    cut: () => void stream.close(),
  };
}

async function connectGrpc(
  address: string,
  key: string,
  cursor: string | undefined,
): Promise<Connection> {
  const client = new GrpcClient('spooled.v1.EventService', address);
  const call = client.stream(
    'SubscribeEvents',
    { last_event_id: cursor ?? '' },
    { 'x-api-key': key },
  );
  let start = '';
  call.on('metadata', (metadata: Metadata) => (start = String(metadata.get('last-event-id')[0])));
  const received: (RealtimeEvent & { id?: string })[] = [];
  call.on('data', (message: GrpcMessage) => {
    const { id, type, data } = plainMessage(message);
    received.push({ type, data, ...(id === '' ? {} : { id }) } as RealtimeEvent & { id?: string });
  });
  // `status` says the same.
  call.on('error', () => undefined);
  let isOver = false;
  const ended = new Promise<string>((resolve) =>
    call.on('status', ({ code }: StatusObject) => {
      isOver = true;
      client.close();
      resolve(status[code]);
    }),
  );
  // The stream begins with a ping.
  await eventually(() => isOver || received.length > 0);
  if (received.length === 0) throw new Error(`the stream was refused: ${await ended}`);
  return { start, received: () => received, ended, cut: () => call.cancel() };
}
