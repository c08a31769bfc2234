import {
  credentials,
  loadPackageDefinition,
  Metadata,
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { PROTO_DIRECTORY, PROTO_FILES } from '@spooled/contracts';

export type GrpcMessage = Readonly<Record<string, unknown>>;

export interface GrpcClientOptions {
  /** Default plaintext. */
  readonly credentials?: ChannelCredentials;
  readonly channel?: ChannelOptions;
}

/**
 * A client of one service as its users have one: grpc-js, the `.proto` files, a real socket. Messages are plain objects
 * with the names of the `.proto`; fields that are a `Struct` or a `Timestamp` are JSON objects and Dates.
 */
export class GrpcClient {
  readonly #client: Client;

  constructor(service: string, address: string, options: GrpcClientOptions = {}) {
    const Service = serviceNamed(service);
    // A connection of its own: clients of one process would share one otherwise.
    this.#client = new Service(address, options.credentials ?? credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      ...options.channel,
    });
  }

  /** A unary call. @throws ServiceError with `code`, `details` and trailers in `metadata` */
  call(
    method: string,
    request: GrpcMessage,
    headers: Readonly<Record<string, string>> = {},
    options: CallOptions = {},
  ): Promise<GrpcMessage> {
    return new Promise((resolve, reject) => {
      const answer = (error: ServiceError | null, response: GrpcMessage): void => {
        if (error === null) resolve(plain(response));
        else reject(error);
      };
      this.#method(method)(wire(request), metadataOf(headers), options, answer);
    });
  }

  /** A server stream. Its messages are as they come: `plainMessage` makes them plain. */
  stream(
    method: string,
    request: GrpcMessage,
    headers: Readonly<Record<string, string>> = {},
    options: CallOptions = {},
  ): ClientReadableStream<GrpcMessage> {
    const open = this.#method(method);
    return open(wire(request), metadataOf(headers), options) as ClientReadableStream<GrpcMessage>;
  }

  /** A bidi stream. What is written goes through `wireMessage` first. */
  duplex(
    method: string,
    headers: Readonly<Record<string, string>> = {},
    options: CallOptions = {},
  ): ClientDuplexStream<GrpcMessage, GrpcMessage> {
    const open = this.#method(method);
    return open(metadataOf(headers), options) as ClientDuplexStream<GrpcMessage, GrpcMessage>;
  }

  close(): void {
    this.#client.close();
  }

  #method(name: string): (...given: unknown[]) => unknown {
    const methods = this.#client as unknown as Record<string, (...given: unknown[]) => unknown>;
    return methods[name]!.bind(this.#client);
  }
}

/** A client of a service on a port of this machine. */
export function grpcClient(
  service: string,
  port: number,
  options: GrpcClientOptions = {},
): GrpcClient {
  return new GrpcClient(service, `127.0.0.1:${port}`, options);
}

export { plain as plainMessage, wire as wireMessage };

function serviceNamed(name: string): ServiceClientConstructor {
  const definition = loadSync([...PROTO_FILES], {
    includeDirs: [PROTO_DIRECTORY],
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  let found: unknown = loadPackageDefinition(definition);
  for (const part of name.split('.')) found = (found as Record<string, unknown>)[part];
  return found as ServiceClientConstructor;
}

function metadataOf(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

const STRUCTS = new Set(['payload', 'result', 'data']);
const TIMESTAMPS = /_at$|^timestamp$/;

/** A message with its well-known types as JSON objects and Dates. */
function plain(message: GrpcMessage): GrpcMessage {
  return mapFields(message, (name, value) => {
    if (STRUCTS.has(name)) return fromStruct(value as Struct);
    if (!TIMESTAMPS.test(name)) return plain(value as GrpcMessage);
    const { seconds, nanos } = value as { seconds: number; nanos: number };
    return new Date(seconds * 1000 + nanos / 1e6);
  });
}

/** The other way round. */
function wire(message: GrpcMessage): GrpcMessage {
  return mapFields(message, (name, value) => {
    if (STRUCTS.has(name)) return toStruct(value as GrpcMessage);
    if (!(value instanceof Date)) return wire(value as GrpcMessage);
    const seconds = Math.floor(value.getTime() / 1000);
    return { seconds, nanos: (value.getTime() - seconds * 1000) * 1e6 };
  });
}

/** Maps what is an object; lists entry by entry. */
function mapFields(
  message: GrpcMessage,
  map: (name: string, value: object) => unknown,
): GrpcMessage {
  const entries = Object.entries(message).map(([name, value]) => {
    if (typeof value !== 'object' || value === null) return [name, value];
    if (!Array.isArray(value)) return [name, map(name, value)];
    const mapped = value.map((each: unknown) =>
      typeof each === 'object' && each !== null ? map(name, each) : each,
    );
    return [name, mapped];
  });
  return Object.fromEntries(entries) as GrpcMessage;
}

interface Struct {
  readonly fields: Readonly<Record<string, Value>>;
}
type Value = { readonly kind: string } & Readonly<Record<string, unknown>>;

function fromStruct({ fields }: Struct): GrpcMessage {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, fromValue(value)]));
}

function fromValue(value: Value): unknown {
  const content = value[value.kind];
  if (value.kind === 'nullValue') return null;
  if (value.kind === 'structValue') return fromStruct(content as Struct);
  if (value.kind === 'listValue') return (content as { values: Value[] }).values.map(fromValue);
  return content;
}

function toStruct(object: GrpcMessage): object {
  const fields = Object.entries(object).map(([key, value]) => [key, toValue(value)]);
  return { fields: Object.fromEntries(fields) as object };
}

function toValue(value: unknown): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'number') return { numberValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(toValue) } };
  if (typeof value === 'object' && value !== null)
    return { structValue: toStruct(value as GrpcMessage) };
  return { nullValue: 'NULL_VALUE' };
}
