import { env } from '@spooled/config';
import { z } from 'zod';

export const grpcConfig = z.object({
  HOST: env.text('0.0.0.0'),
  GRPC_PORT: env.port(50_051),
  /** Serves TLS with the two files; plaintext otherwise, for a proxy in front that ends TLS. */
  GRPC_TLS_ENABLED: env.bool(false),
  /** PEM files: the certificate with its chain, and its key. */
  GRPC_TLS_CERT_PATH: env.text(''),
  GRPC_TLS_KEY_PATH: env.text(''),
  /** Streams and calls under way on one connection; further ones wait in the client. */
  GRPC_MAX_CONCURRENT_STREAMS: env.int(1000, 200, 100_000),
  /** A connection without a call is closed after this, in seconds: health probes leave theirs behind. */
  GRPC_MAX_CONNECTION_IDLE_SECS: env.int(300, 1, 86_400),
  /**
   * A client makes its further calls on another connection after this, in seconds, so that they spread over new
   * instances. Calls and streams that are open go on: they end for better reasons than age.
   */
  GRPC_MAX_CONNECTION_AGE_SECS: env.int(3600, 1, 604_800),
  /** Longest time a stop waits for calls under way, in milliseconds. */
  GRPC_DRAIN_MS: env.int(5000, 0, 30_000),
});
export type GrpcConfig = Readonly<z.output<typeof grpcConfig>>;

/** Injection token of `GrpcConfig`. */
export const GRPC_CONFIG = Symbol('GRPC_CONFIG');
