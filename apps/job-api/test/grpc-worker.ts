import { status, type ClientDuplexStream, type ClientReadableStream } from '@grpc/grpc-js';
import {
  eventually,
  grpcClient,
  onCleanUp,
  plainMessage,
  wireMessage,
  type GrpcClient,
  type GrpcMessage,
} from '@spooled/testing';
import { LoopBells } from './model-loops.js';
import type { Tenant, World } from './setup.js';

const loops = LoopBells.watch();

export interface Ending {
  /** Name of the status. */
  readonly code: string;
  readonly details: string;
}

/** A job as a stream brings it. */
export interface PushedMessage extends GrpcMessage {
  readonly id: string;
  readonly lease_id: string;
  readonly payload: GrpcMessage;
  readonly retry_count: number;
}

type Call = ClientReadableStream<GrpcMessage> | ClientDuplexStream<GrpcMessage, GrpcMessage>;

/** What both kinds of streams have: an end, and headers. */
class OpenCall {
  isOpen = false;
  ending: Ending | undefined;

  constructor(readonly call: Call) {
    call.on('metadata', () => (this.isOpen = true));
    call.on('error', () => undefined);
    call.on('status', ({ code, details }) => (this.ending = { code: status[code], details }));
    onCleanUp(() => call.cancel());
  }

  async opened(): Promise<this> {
    await eventually(() => this.isOpen);
    return this;
  }

  async ended(): Promise<Ending> {
    await eventually(() => this.ending !== undefined);
    return this.ending!;
  }

  cancel(): void {
    this.call.cancel();
  }
}

/** One `StreamJobs` call. */
export class JobStream extends OpenCall {
  readonly jobs: PushedMessage[] = [];

  constructor(client: GrpcClient, { credential }: Tenant, request: GrpcMessage = {}) {
    const given = { queue_name: 'emails', worker_id: 'w-1', max_unsettled: 100, ...request };
    super(client.stream('StreamJobs', given, { 'x-api-key': credential }));
    this.call.on('data', (job: GrpcMessage) => this.jobs.push(plainMessage(job) as PushedMessage));
  }

  get ids(): string[] {
    return this.jobs.map(({ id }) => id);
  }

  async got(count: number): Promise<PushedMessage[]> {
    await eventually(() => this.jobs.length >= count);
    return this.jobs;
  }
}

/** One `ProcessJobs` call. */
export class RequestStream extends OpenCall {
  readonly answers: GrpcMessage[] = [];
  readonly #duplex: ClientDuplexStream<GrpcMessage, GrpcMessage>;

  constructor(client: GrpcClient, { credential }: Tenant) {
    const duplex = client.duplex('ProcessJobs', { 'x-api-key': credential });
    super(duplex);
    this.#duplex = duplex;
    duplex.on('data', (answer: GrpcMessage) => this.answers.push(plainMessage(answer)));
  }

  send(...requests: GrpcMessage[]): void {
    for (const request of requests) this.#duplex.write(wireMessage(request));
  }

  /** Sends one request and waits for its answer; nothing else may be under way. */
  async ask(request: GrpcMessage): Promise<GrpcMessage> {
    const before = this.answers.length;
    this.send(request);
    await eventually(() => this.answers.length > before);
    return this.answers[before]!;
  }

  halfClose(): void {
    this.#duplex.end();
  }
}

/** A client of the queue service on a connection of its own, to another port if a proxy stands between. */
export function queueClient(world: World, port = world.grpcPort): GrpcClient {
  const client = grpcClient('spooled.v1.QueueService', port, {
    channel: { 'grpc.max_reconnect_backoff_ms': 200, 'grpc.initial_reconnect_backoff_ms': 50 },
  });
  onCleanUp(() => client.close());
  return client;
}

/** One sample of the page of metrics, 0 while it is not there. */
export async function metric(world: World, name: string): Promise<number> {
  const { text } = await world.request('GET', '/metrics');
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

/** Claims that were sent to the database so far. */
export function claims(world: World): Promise<number> {
  return metric(world, 'spooled_lease_action_duration_seconds_count{action="claim"}');
}

/** Sends the loop round that looks for what nobody was told of: by itself it comes too seldom to matter. */
export async function sweep(world: World): Promise<void> {
  const name = 'spooled_loop_steps_total{loop="jobs.work-sweeper",outcome="ok"}';
  const before = await metric(world, name);
  await eventually(async () => {
    loops.ring('jobs.work-sweeper');
    // One step may have been under way already.
    return (await metric(world, name)) >= before + 2;
  });
}
