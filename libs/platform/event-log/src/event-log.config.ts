import { env } from '@spooled/config';
import { z } from 'zod';

export const eventLogConfig = z.object({
  /** How long a client may be away and still miss nothing, in hours. */
  EVENT_RETENTION_HOURS: env.int(24, 1, 24 * 30),
  /** Copies of the stream on a NATS cluster. */
  NATS_STREAM_REPLICAS: env.int(1, 1, 5),
  /** Bytes the stream may take; the oldest go first, and only durable consumers that far behind notice. */
  NATS_STREAM_MAX_BYTES: env.int(1024 ** 3, 1024 ** 2, 1024 ** 4),
});
export type EventLogConfig = z.output<typeof eventLogConfig>;

/** Injection token of `EventLogConfig`. */
export const EVENT_LOG_CONFIG = Symbol('EVENT_LOG_CONFIG');
