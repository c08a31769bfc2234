import { env, environmentName } from '@spooled/config';
import { z } from 'zod';

export const httpConfig = z.object({
  HOST: env.text('0.0.0.0'),
  PORT: env.port(8080),
  /** Requests per second and burst of one client address on public routes. */
  RATE_LIMIT_REQUESTS_PER_SECOND: env.int(100, 1, 1_000_000),
  RATE_LIMIT_BURST_SIZE: env.int(200, 1, 1_000_000),
  /** Addresses or CIDR ranges whose `X-Forwarded-For` is believed. */
  TRUSTED_PROXIES: env.list(),
  CORS_ALLOWED_ORIGINS: env.list(),
  ENABLE_HSTS: env.bool(false),
  /** Opens the admin routes; unset = closed. */
  ADMIN_API_KEY: env.secret().optional(),
  /** Wanted as bearer token on `/metrics` when set. */
  METRICS_TOKEN: env.secret().optional(),
});
export type HttpConfig = z.output<typeof httpConfig> & { readonly isDevelopment: boolean };

export function withEnvironment(config: z.output<typeof httpConfig>): HttpConfig {
  return Object.freeze({ ...config, isDevelopment: environmentName() !== 'production' });
}

/** Injection token of `HttpConfig`. */
export const HTTP_CONFIG = Symbol('HTTP_CONFIG');
