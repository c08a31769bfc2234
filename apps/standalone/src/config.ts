import { env } from '@spooled/config';
import { z } from 'zod';

export const standaloneConfig = z.object({
  PORT: env.port(8080),
  GRPC_PORT: env.port(50_051),
  /** Holds `postgres/` and `nats/` when they are started here, and the secret that signs tokens. */
  SPOOLED_DATA_DIR: env.text('.spooled'),
  /** For tests: stops when its standard input ends, as it does when its parent dies, and removes what it kept. */
  SPOOLED_TEMPORARY: env.bool(false),
  /** Given: no PostgreSQL is started. */
  DATABASE_URL: env.secret().optional(),
  /** Given: no nats-server is started. */
  NATS_URL: z.string().optional(),
  JWT_SECRET: env.secret(32).optional(),
});
