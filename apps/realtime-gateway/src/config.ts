import { env } from '@spooled/config';
import { z } from 'zod';

const MIB = 1024 * 1024;

export const realtimeConfig = z.object({
  /** Open WebSockets of one organization on all instances; further ones get 429. */
  REALTIME_MAX_WS_PER_ORGANIZATION: env.int(100, 1, 1_000_000),
  /** Open SSE streams of one organization on all instances, job and queue streams included. */
  REALTIME_MAX_SSE_PER_ORGANIZATION: env.int(100, 1, 1_000_000),
  /** Open gRPC event streams of one organization on all instances. */
  REALTIME_MAX_GRPC_PER_ORGANIZATION: env.int(100, 1, 1_000_000),
  /** Bytes and events one connection may have outstanding before it counts as slow. */
  REALTIME_MAX_BUFFER_BYTES: env.int(MIB, 64 * 1024, 64 * MIB),
  REALTIME_MAX_BUFFER_EVENTS: env.int(1000, 1, 1_000_000),
  /** How long a slow connection has to catch up, in milliseconds: a burst must not cut a healthy reader. */
  REALTIME_SLOW_GRACE_MS: env.int(2000, 0, 60_000),
  /** How long a replay waits for a client that takes nothing, in milliseconds. */
  REALTIME_REPLAY_STALL_MS: env.int(15_000, 100, 600_000),
  /** How long a closed connection has to go before its socket is destroyed, in milliseconds. */
  REALTIME_CLOSE_GRACE_MS: env.int(5000, 0, 60_000),
  /**
   * WebSocket: between `Ping` events (and protocol pings, and `SystemHealth`); gRPC: between `SystemHealth`, and silence
   * before a `Ping`; in milliseconds.
   */
  REALTIME_PING_INTERVAL_MS: env.int(30_000, 100, 600_000),
  /** WebSocket: a peer not heard of for this long is dropped, in milliseconds. */
  REALTIME_SILENT_PEER_MS: env.int(90_000, 200, 3_600_000),
  /** SSE: silence before a `: ping` comment, in milliseconds. */
  REALTIME_SSE_SILENCE_MS: env.int(15_000, 100, 600_000),
  /** SSE `/events`: between `SystemHealth` events, in milliseconds. */
  REALTIME_SSE_HEALTH_INTERVAL_MS: env.int(10_000, 100, 600_000),
  /** Shortest time between two `QueueStats` of one queue, in milliseconds. */
  REALTIME_QUEUE_STATS_INTERVAL_MS: env.int(1000, 50, 5000),
  /** Shortest time between two `WorkerHeartbeat`s of one worker, in milliseconds. */
  REALTIME_HEARTBEAT_INTERVAL_MS: env.int(1000, 50, 5000),
  /** How long a stream stays open, give or take a fifth, in milliseconds; 0 = for ever. */
  REALTIME_MAX_STREAM_AGE_MS: env.int(2_700_000, 0, 604_800_000),
  /** Longest time a stop spends on closing streams, in milliseconds. */
  REALTIME_DRAIN_MS: env.int(5000, 100, 30_000),
});
export type RealtimeConfig = Readonly<z.output<typeof realtimeConfig>>;

/** Injection token of `RealtimeConfig`. */
export const REALTIME_CONFIG = Symbol('REALTIME_CONFIG');
