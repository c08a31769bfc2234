import { fileURLToPath } from 'node:url';
import type { z } from 'zod';

/**
 * One gRPC method, beside its `.proto` definition: what a decoded request must look like, and what is sent back.
 * Messages are plain objects with the field names of the `.proto`: `Struct` is a JSON object, `Timestamp` a `Date`,
 * both null when unset; enums are the names of their values; `int64` is a number.
 */
export interface GrpcSpec {
  /** Full name, as in `spooled.v1.QueueService`. */
  readonly service: string;
  readonly method: string;
  readonly kind: 'unary' | 'server-stream' | 'bidi';
  /** Of a bidi stream: each of its messages, loosely; the handler judges them one by one. */
  readonly request: z.ZodType;
  readonly response: z.ZodType;
}

export function grpcMethod<const S extends GrpcSpec>(spec: S): S {
  return spec;
}

/** Where the `.proto` files are, to be given to a loader as an include directory. */
export const PROTO_DIRECTORY = fileURLToPath(new URL('../proto', import.meta.url));

/** The `.proto` files that define services, relative to `PROTO_DIRECTORY`. */
export const PROTO_FILES = [
  'spooled/v1/queue.proto',
  'spooled/v1/worker.proto',
  'spooled/v1/event.proto',
] as const;
