import { env, environmentName } from '@spooled/config';
import { isIP } from 'node:net';
import { z } from 'zod';

export const httpConfig = z.object({
  HOST: env.text('0.0.0.0'),
  PORT: env.port(8080),
  /**
   * How long connections are served on when the process stops, in milliseconds: each that is used meanwhile ends with an
   * answer that says so. Behind a load balancer, longer than callers pause between two requests.
   */
  HTTP_LINGER_MS: env.int(300, 0, 30_000),
  /** Where `/metrics` is served as well; unset = nowhere else. */
  METRICS_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  /** Requests per second and burst of one client address on public routes. */
  RATE_LIMIT_REQUESTS_PER_SECOND: z.coerce.number().min(0.01).max(1_000_000).default(100),
  RATE_LIMIT_BURST_SIZE: env.int(200, 1, 1_000_000),
  /** Answers 503 instead of limiting alone while processes cannot share their limits. */
  RATE_LIMIT_FAIL_CLOSED: env.bool(false),
  /** Addresses, CIDR ranges or `loopback`, `linklocal`, `uniquelocal`, whose `X-Forwarded-For` is believed. */
  TRUSTED_PROXIES: env
    .list()
    .refine(
      (entries) => entries.every(isAddressRange),
      'these are not all addresses or CIDR ranges',
    ),
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

/** Groups of addresses that Fastify knows by name. */
const NAMED_RANGES = new Set(['loopback', 'linklocal', 'uniquelocal']);

function isAddressRange(text: string): boolean {
  if (NAMED_RANGES.has(text)) return true;
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  const maxBits = version === 4 ? 32 : 128;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= maxBits);
}

/** Injection token of `HttpConfig`. */
export const HTTP_CONFIG = Symbol('HTTP_CONFIG');
