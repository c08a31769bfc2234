import { randomBytes } from 'node:crypto';
import { env, environmentName, loadConfig, Secret } from '@spooled/config';
import { z } from 'zod';

const MIN_SECRET_CHARS = 32;

const settings = z.object({
  /** Life of an access token, in hours; a refresh token lives 24 times that. */
  JWT_EXPIRATION_HOURS: env.int(24, 1, 8760),
  /**
   * What API keys are hashed with; unset = JWT_SECRET. Set it to the old JWT_SECRET before changing JWT_SECRET, or
   * every API key stops working (the service then refuses to start and says so).
   */
  API_KEY_PEPPER: env.secret(MIN_SECRET_CHARS).optional(),
  /** Beginning of new API keys; `live_` or `test_` follows. Keys made with another prefix stay good. */
  API_KEY_PREFIX: z
    .string()
    .regex(/^[a-z0-9]{1,16}_$/, 'must be 1-16 of a-z 0-9 and an underscore')
    .refine((value) => value !== 'tkt_', 'names our tickets')
    .default('sp_'),
  /** Opens the admin routes, and public registration while it is closed. */
  ADMIN_API_KEY: env.secret().optional(),
  /** Who may create organizations without an invitation: anyone, the administrator, nobody. */
  REGISTRATION_MODE: z.enum(['open', 'closed', 'invite']).default('open'),
  /** Where clients reach us, such as `https://queue.example.com`; unset = as the request says. */
  EXTERNAL_URL: z
    .url({ protocol: /^https?$/ })
    .transform((value) => value.replace(/\/+$/, ''))
    .optional(),
  /** Whether an address that is new here may sign up by a code. */
  EMAIL_SIGNUP_ENABLED: env.bool(true),
  /** How codes are sent: `console` only logs them, for machines without mail. */
  EMAIL_PROVIDER: z.enum(['console', 'smtp']).default('console'),
  /** Of the mail server, with user and password: `smtps://user:password@mail.example.com`. */
  SMTP_URL: env
    .secret()
    .refine((url) => /^smtps?:\/\/[^/]/.test(url.reveal()), 'must begin with smtp:// or smtps://')
    .optional(),
  /** Whom mail comes from: `Spooled <no-reply@example.com>`. */
  EMAIL_FROM: z.string().min(3).optional(),
  /** Opens the customers' portal; unset = 501. */
  STRIPE_SECRET_KEY: env.secret().optional(),
  /** What Stripe signs its events with; unset = 501. */
  STRIPE_BILLING_WEBHOOK_SECRET: env.secret().optional(),
  /** Prices that pay for plans. */
  STRIPE_STARTER_PRICE_ID: z.string().optional(),
  STRIPE_PRO_PRICE_ID: z.string().optional(),
  /** Where Stripe's API is. */
  STRIPE_API_URL: z.url({ protocol: /^https?$/ }).default('https://api.stripe.com'),
  /** Pages that may call us are also those that the customers' portal may lead back to. */
  CORS_ALLOWED_ORIGINS: env.list(),
});

export type AuthConfig = z.output<typeof settings> & {
  /** Signs tokens, HS256. */
  readonly JWT_SECRET: Secret;
  /** Whether JWT_SECRET was made up for this run only. */
  readonly isSecretTemporary: boolean;
  readonly isProduction: boolean;
};

/** New addresses may only come while everyone may. */
export function takesSignups(config: AuthConfig): boolean {
  return config.EMAIL_SIGNUP_ENABLED && config.REGISTRATION_MODE === 'open';
}

/** Injection token of `AuthConfig`. */
export const AUTH_CONFIG = Symbol('AUTH_CONFIG');

/**
 * Reads the room's environment. Only development may go without JWT_SECRET: it then gets a random one that dies with
 * the process, because a known default would let anyone sign tokens for a server whose environment was forgotten.
 * @throws ConfigError naming every problem at once.
 */
export function loadAuthConfig(environment?: NodeJS.ProcessEnv): AuthConfig {
  const name = environmentName(environment);
  const schema = settings
    .extend({
      JWT_SECRET: name === 'development' ? env.secret().optional() : env.secret(MIN_SECRET_CHARS),
    })
    .superRefine((given, context) => {
      if (given.EMAIL_PROVIDER !== 'smtp') return;
      for (const needed of ['SMTP_URL', 'EMAIL_FROM'] as const) {
        if (given[needed] !== undefined) continue;
        const message = 'is needed when EMAIL_PROVIDER is smtp';
        context.addIssue({ code: 'custom', path: [needed], message });
      }
    });
  const { JWT_SECRET, ...rest } = loadConfig(schema, environment);
  return Object.freeze({
    ...rest,
    JWT_SECRET: JWT_SECRET ?? new Secret(randomBytes(32).toString('base64url')),
    isSecretTemporary: JWT_SECRET === undefined,
    isProduction: name === 'production',
  });
}
