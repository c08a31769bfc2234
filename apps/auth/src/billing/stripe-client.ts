import { Inject, Injectable } from '@nestjs/common';
import { AppError } from '@spooled/contracts';
import Stripe from 'stripe';
import { z } from 'zod';
import { AUTH_CONFIG, type AuthConfig } from '../config.js';
import type { StripeEvent } from './domain/stripe-event.js';

/** How old a signature may be; more would let recorded requests be sent again. */
const TOLERANCE_SECS = 300;
const TIMEOUT_MS = 10_000;

const event = z.object({
  id: z.string().min(1).max(255),
  type: z.string(),
  created: z.int(),
  data: z.object({ object: z.record(z.string(), z.unknown()) }),
});

/** What we ask of Stripe, and what we believe of it. `null` where billing is not configured. */
@Injectable()
export class StripeClient {
  readonly #stripe: Stripe | undefined;

  constructor(@Inject(AUTH_CONFIG) private readonly config: AuthConfig) {
    const key = config.STRIPE_SECRET_KEY?.reveal();
    if (key === undefined) return;
    const { hostname, port, protocol } = new URL(config.STRIPE_API_URL);
    this.#stripe = new Stripe(key, {
      host: hostname,
      port: port === '' ? undefined : port,
      protocol: protocol === 'http:' ? 'http' : 'https',
      timeout: TIMEOUT_MS,
      maxNetworkRetries: 1,
      telemetry: false,
    });
  }

  get isConfigured(): boolean {
    return this.#stripe !== undefined;
  }

  /**
   * The address of a page on which the customer manages payment.
   * @throws AppError `SERVICE_UNAVAILABLE` when Stripe is away, `CONFIGURATION_ERROR` when it refuses.
   */
  async openPortal(customer: string, returnUrl: string): Promise<string> {
    if (this.#stripe === undefined) throw new Error('billing is not configured');
    const request = { customer, return_url: returnUrl };
    try {
      return (await this.#stripe.billingPortal.sessions.create(request)).url;
    } catch (error) {
      throw refused(error);
    }
  }

  /** Ends it at once; one that has ended, or that Stripe does not know, is as good. @throws as `openPortal` */
  async cancelSubscription(id: string): Promise<void> {
    if (this.#stripe === undefined) throw new Error('billing is not configured');
    try {
      await this.#stripe.subscriptions.cancel(id);
    } catch (error) {
      const isGone = error instanceof Stripe.errors.StripeError && error.statusCode === 404;
      if (!isGone) throw refused(error);
    }
  }

  /** The event that a text is, when Stripe signed it. @throws AppError `BAD_REQUEST` */
  readEvent(text: string, signature: unknown): StripeEvent | null {
    const secret = this.config.STRIPE_BILLING_WEBHOOK_SECRET?.reveal();
    if (secret === undefined) return null;
    if (typeof signature !== 'string')
      throw new AppError('BAD_REQUEST', 'The signature is missing.');
    try {
      const signed = Stripe.webhooks.constructEvent(text, signature, secret, TOLERANCE_SECS);
      return event.parse(signed);
    } catch (error) {
      throw new AppError('BAD_REQUEST', 'This is no event that Stripe signed.', { cause: error });
    }
  }
}

function refused(error: unknown): AppError {
  const isAway =
    error instanceof Stripe.errors.StripeConnectionError ||
    error instanceof Stripe.errors.StripeAPIError ||
    error instanceof Stripe.errors.StripeRateLimitError;
  if (isAway) {
    const message = 'The payment service is not available.';
    return new AppError('SERVICE_UNAVAILABLE', message, { retryAfterSecs: 5, cause: error });
  }
  return new AppError('CONFIGURATION_ERROR', 'The payment service refused.', { cause: error });
}
