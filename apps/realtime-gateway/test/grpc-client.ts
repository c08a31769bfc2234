import {
  status,
  type ChannelOptions,
  type ClientReadableStream,
  type Metadata,
} from '@grpc/grpc-js';
import { GrpcServer } from '@spooled/grpc';
import {
  eventually,
  grpcClient,
  onCleanUp,
  plainMessage,
  type GrpcClient,
  type GrpcMessage,
} from '@spooled/testing';
import type { Caller, TestGateway, Wire } from './setup.js';

export interface GrpcSubscription {
  readonly queue_names?: readonly string[];
  readonly job_ids?: readonly string[];
  readonly event_types?: readonly string[];
  readonly last_event_id?: string;
}

/** `spooled.v1.Event`. */
export interface GrpcEventMessage {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly timestamp: Date;
  readonly data: Record<string, unknown>;
}

export interface GrpcEnd {
  /** Name of the status. */
  readonly code: string;
  readonly details: string;
  readonly trailers: Metadata;
}

/** One `SubscribeEvents` call on a connection of its own. */
export class GrpcWatcher {
  readonly messages: GrpcEventMessage[] = [];
  readonly ended: Promise<GrpcEnd>;
  /** Of the response, once they arrived. */
  headers: Metadata | undefined;
  readonly #client: GrpcClient;
  readonly #call: ClientReadableStream<GrpcMessage>;

  constructor(
    port: number,
    headers: Readonly<Record<string, string>>,
    request: GrpcSubscription,
    channel: ChannelOptions = {},
  ) {
    this.#client = grpcClient('spooled.v1.EventService', port, { channel });
    this.#call = this.#client.stream('SubscribeEvents', { ...request }, headers);
    this.#call.on('metadata', (metadata) => (this.headers = metadata));
    this.#call.on('data', (message: GrpcMessage) => {
      this.messages.push(plainMessage(message) as unknown as GrpcEventMessage);
    });
    // `status` says the same.
    this.#call.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      this.#call.on('status', ({ code, details, metadata: trailers }) => {
        this.#client.close();
        resolve({ code: status[code], details, trailers });
      });
    });
    onCleanUp(() => this.cancel());
  }

  /** What came, as it looks on the other transports. */
  get wires(): Wire[] {
    return this.messages.map(({ id, type, data }) =>
      id === '' ? { type, data } : { type, data, id },
    );
  }

  get stored(): Wire[] {
    return this.wires.filter(({ id }) => id !== undefined);
  }

  get types(): string[] {
    return this.messages.map(({ type }) => type);
  }

  get isOpen(): boolean {
    return this.headers !== undefined;
  }

  /** Stops reading, so that the window of the stream fills up. */
  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  cancel(): void {
    this.#call.cancel();
    this.#client.close();
  }

  /** The first message that matches, received or yet to come. */
  waitFor(
    matches: (message: GrpcEventMessage) => boolean,
    timeoutMs?: number,
  ): Promise<GrpcEventMessage> {
    return eventually(
      () => {
        const found = this.messages.find(matches);
        if (found === undefined) throw new Error(`only ${JSON.stringify(this.wires.slice(-20))}`);
        return found;
      },
      timeoutMs === undefined ? {} : { timeoutMs },
    );
  }
}

export function grpcPort({ context }: TestGateway): number {
  return context.get(GrpcServer).port;
}

export function watchGrpc(
  port: number,
  credential: string,
  request: GrpcSubscription = {},
  channel: ChannelOptions = {},
): GrpcWatcher {
  return new GrpcWatcher(port, { 'x-api-key': credential }, request, channel);
}

/** A subscription whose first message is there. */
export async function liveGrpc(
  gateway: TestGateway,
  { credential }: Caller,
  request: GrpcSubscription = {},
): Promise<GrpcWatcher> {
  const watcher = watchGrpc(grpcPort(gateway), credential, request);
  await watcher.waitFor(() => true);
  return watcher;
}

/** How a subscription ends that is refused. */
export async function refusedGrpc(
  gateway: TestGateway,
  headers: Readonly<Record<string, string>>,
  request: GrpcSubscription = {},
): Promise<GrpcEnd & { readonly messages: number }> {
  const watcher = new GrpcWatcher(grpcPort(gateway), headers, request);
  return { ...(await watcher.ended), messages: watcher.messages.length };
}
