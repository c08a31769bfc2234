import { env } from '@spooled/config';
import { z } from 'zod';

export const natsConfig = z.object({
  /** Comma list of servers. */
  NATS_URL: z.string().default('nats://127.0.0.1:4222'),
  /** Name shown in the server's monitoring. */
  SERVICE_NAME: env.text('spooled'),
});
export type NatsConfig = z.output<typeof natsConfig>;

/** Injection token of `NatsConfig`. */
export const NATS_CONFIG = Symbol('NATS_CONFIG');
