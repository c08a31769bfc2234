/**
 * Jobs that the server pushes. For Node alone and loaded only when a worker wants it: browsers never see this file. It
 * imports nothing of the client, which may be the CommonJS one.
 */
import { fileURLToPath } from 'node:url';

import {
  credentials,
  loadPackageDefinition,
  Metadata,
  status,
  type ClientReadableStream,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export interface StreamJobsRequest {
  readonly queue_name: string;
  readonly worker_id: string;
  readonly lease_duration_secs: number;
  readonly max_unsettled: number;
}

export interface StreamJobsOptions {
  /** `https://…` with TLS, `http://…` without; `host:port` with TLS unless it is this machine. */
  readonly url: string;
  readonly token: string | undefined;
  /** Ends the stream. What was not delivered goes to others at once. */
  readonly signal: AbortSignal;
  /** The server sends jobs from now on. */
  readonly onOpen: () => void;
}

/** A job as the wire has it, with a payload that is JSON again. */
export interface PushedJob {
  readonly id: string;
  readonly queue_name: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly retry_count: number;
  readonly max_retries: number;
  readonly timeout_seconds: number;
  readonly priority: number;
  readonly lease_id: string;
  readonly lease_expires_at: string;
  readonly created_at: string;
}

/** Why a stream ended. */
export class StreamFailure extends Error {
  constructor(
    /** Of gRPC. */
    readonly status: number,
    message: string,
    readonly retryAfterMs: number | undefined,
  ) {
    super(message);
  }
}

interface Timestamp {
  readonly seconds: number;
  readonly nanos: number;
}
type Value = { readonly kind: string } & Readonly<Record<string, unknown>>;
interface Struct {
  readonly fields: Readonly<Record<string, Value>>;
}
type WireJob = Omit<PushedJob, 'payload' | 'lease_expires_at' | 'created_at'> & {
  readonly payload: Struct | null;
  readonly lease_expires_at: Timestamp;
  readonly created_at: Timestamp;
};

/** @throws StreamFailure, also when the server ends the stream without an error */
export async function* streamJobs(
  request: StreamJobsRequest,
  { url, token, signal, onOpen }: StreamJobsOptions,
): AsyncGenerator<PushedJob, never> {
  const { address, isPlain } = target(url);
  const QueueService = queueService();
  const client = new QueueService(
    address,
    isPlain ? credentials.createInsecure() : credentials.createSsl(),
    // A connection that died without a word is found out.
    { 'grpc.keepalive_time_ms': 20_000, 'grpc.keepalive_timeout_ms': 10_000 },
  );
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const start = client['StreamJobs'] as (
    request: StreamJobsRequest,
    metadata: Metadata,
  ) => ClientReadableStream<WireJob>;
  const stream = start.call(client, request, metadata);
  const cancel = () => stream.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  stream.once('metadata', onOpen);
  try {
    for await (const job of stream as AsyncIterable<WireJob>) yield plainJob(job);
    throw new StreamFailure(UNAVAILABLE, 'the server ended the stream', undefined);
  } catch (error) {
    throw error instanceof StreamFailure ? error : failureOf(error as ServiceError);
  } finally {
    signal.removeEventListener('abort', cancel);
    stream.cancel();
    client.close();
  }
}

const { UNAVAILABLE, UNKNOWN } = status;

let loaded: ServiceClientConstructor | undefined;

function queueService(): ServiceClientConstructor {
  loaded ??= loadQueueService();
  return loaded;
}

function loadQueueService(): ServiceClientConstructor {
  const definition = loadSync('spooled/v1/queue.proto', {
    includeDirs: [fileURLToPath(new URL('../proto', import.meta.url))],
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  const { spooled } = loadPackageDefinition(definition) as unknown as {
    spooled: { v1: { QueueService: ServiceClientConstructor } };
  };
  return spooled.v1.QueueService;
}

/** A key must not travel unencrypted because a scheme was forgotten. */
function target(url: string): { readonly address: string; readonly isPlain: boolean } {
  const [, scheme, address = ''] = /^(?:(https?):\/\/)?(.*?)\/*$/.exec(url) ?? [];
  const isHere = /^(localhost|127\.0\.0\.1|\[::1\])(:|$)/.test(address);
  const isPlain = scheme === undefined ? isHere : scheme === 'http';
  const hasPort = /:\d+$/.test(address);
  return { address: hasPort ? address : `${address}:${isPlain ? 50051 : 443}`, isPlain };
}

function plainJob({ payload, lease_expires_at, created_at, ...job }: WireJob): PushedJob {
  return {
    ...job,
    payload: payload === null ? {} : plainStruct(payload),
    lease_expires_at: iso(lease_expires_at),
    created_at: iso(created_at),
  };
}

function plainStruct({ fields }: Struct): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, plain(value)]));
}

function plain(each: Value): unknown {
  const { kind, [kind]: value } = each;
  if (kind === 'structValue') return plainStruct(value as Struct);
  if (kind === 'listValue') return (value as { values: Value[] }).values.map(plain);
  return kind === 'nullValue' ? null : value;
}

function iso({ seconds, nanos }: Timestamp): string {
  return new Date(seconds * 1000 + nanos / 1e6).toISOString();
}

function failureOf({ code, details, metadata }: ServiceError): StreamFailure {
  const retryAfterSecs = Number(metadata?.get('retry-after')[0] ?? NaN);
  const retryAfterMs = Number.isFinite(retryAfterSecs) ? retryAfterSecs * 1000 : undefined;
  return new StreamFailure(code ?? UNKNOWN, details || 'the stream failed', retryAfterMs);
}
