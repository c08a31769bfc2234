import { ConfigError, env, isProduction, loadConfig, type Secret } from '@spooled/config';
import { z } from 'zod';

const settings = z.object({
  /** Attempts of a delivery before it counts as failed. */
  OUTGOING_WEBHOOK_MAX_ATTEMPTS: env.int(5, 1, 20),
  /** Requests of this process under way at once. */
  WEBHOOK_MAX_IN_FLIGHT: env.int(1000, 2, 10_000),
  /** How often deliveries that are due are looked for without being told of any, in milliseconds. */
  WEBHOOK_POLL_MS: env.int(250, 10, 1000),
  /** After which the deliveries of an instance that died are taken over, in seconds; longer than any attempt. */
  WEBHOOK_LEASE_SECS: env.int(30, 12, 300),
  /**
   * Signing secrets are encrypted with it; unset = JWT_SECRET. Set it to the old JWT_SECRET before changing JWT_SECRET,
   * or deliveries that are signed fail until their secrets are set anew.
   */
  WEBHOOK_ENCRYPTION_KEY: env.secret(32).optional(),
  JWT_SECRET: env.secret().optional(),
});

export type WebhookDispatcherConfig = Omit<
  z.output<typeof settings>,
  'WEBHOOK_ENCRYPTION_KEY' | 'JWT_SECRET'
> & {
  readonly encryptionKey: Secret;
  readonly isProduction: boolean;
};

/** Injection token of `WebhookDispatcherConfig`. */
export const WEBHOOK_DISPATCHER_CONFIG = Symbol('WEBHOOK_DISPATCHER_CONFIG');

/** @throws ConfigError also when there is nothing to encrypt with: what a made-up key wrote nobody could read again. */
export function loadWebhookDispatcherConfig(): WebhookDispatcherConfig {
  const { WEBHOOK_ENCRYPTION_KEY, JWT_SECRET, ...rest } = loadConfig(settings);
  const encryptionKey = WEBHOOK_ENCRYPTION_KEY ?? JWT_SECRET;
  if (encryptionKey === undefined) {
    throw new ConfigError('WEBHOOK_ENCRYPTION_KEY: must be set when JWT_SECRET is not');
  }
  return Object.freeze({ ...rest, encryptionKey, isProduction: isProduction() });
}
