import { ValidationError } from '../errors.js';
import type { CallOptions, Http } from '../http.js';
import { hex, newKey } from '../new-key.js';
import type { Body } from '../routes.js';

interface Signed {
  /** The signature that came with the body; or `secret`, to make one. */
  readonly signature?: string;
  /** The organization's `github_webhook_secret` or `stripe_webhook_secret`. */
  readonly secret?: string;
  /** Checked too when it is given. */
  readonly webhookToken?: string;
}

export interface GitHubWebhook extends Signed {
  /** `X-GitHub-Event`: jobs go to the queue `github-<event>`. */
  readonly githubEvent: string;
  /** `X-GitHub-Delivery`: the same delivery makes one job. Default: a new one. */
  readonly deliveryId?: string;
}

export interface StripeWebhook extends Signed {
  /** Of a signature that is made here, in seconds. Default: now. */
  readonly timestamp?: number;
}

/**
 * Webhooks that come in, for those who pass them on or try them out. The body of GitHub and Stripe goes as it came, because
 * its bytes are signed. No API key is sent.
 */
export class IngestResource {
  constructor(private readonly http: Http) {}

  /** With the organization's webhook token. Without an idempotency key it gets a new one. */
  custom(
    organizationId: string,
    webhook: Body<'ingestion', 'custom'>,
    { webhookToken }: { readonly webhookToken: string },
    options?: CallOptions,
  ) {
    const params = { org_id: organizationId };
    const body = { ...webhook, idempotencyKey: webhook.idempotencyKey ?? newKey() };
    const headers = { 'x-webhook-token': webhookToken };
    const parts = { params, body, headers, isRepeatable: true, isPublic: true };
    return this.http.call('ingestion', 'custom', parts, options);
  }

  async github(
    organizationId: string,
    body: string,
    webhook: GitHubWebhook,
    options?: CallOptions,
  ) {
    const made = async (secret: string) => `sha256=${await hmacSha256(secret, body)}`;
    const headers = {
      'x-hub-signature-256': await signatureOf(webhook, made),
      'x-github-event': webhook.githubEvent,
      'x-github-delivery': webhook.deliveryId ?? newKey(),
    };
    return this.signed('github', organizationId, body, headers, webhook, options);
  }

  async stripe(
    organizationId: string,
    body: string,
    webhook: StripeWebhook,
    options?: CallOptions,
  ) {
    const { timestamp = Math.floor(Date.now() / 1000) } = webhook;
    const made = async (secret: string) =>
      `t=${timestamp},v1=${await hmacSha256(secret, `${timestamp}.${body}`)}`;
    const headers = { 'stripe-signature': await signatureOf(webhook, made) };
    return this.signed('stripe', organizationId, body, headers, webhook, options);
  }

  /** The same delivery makes one job, so that it may be repeated. */
  private signed(
    from: 'github' | 'stripe',
    organizationId: string,
    rawBody: string,
    signature: Readonly<Record<string, string>>,
    { webhookToken }: Signed,
    options: CallOptions | undefined,
  ) {
    const headers = { ...signature, 'x-webhook-token': webhookToken };
    const params = { org_id: organizationId };
    const parts = { params, rawBody, headers, isRepeatable: true, isPublic: true };
    return this.http.call('ingestion', from, parts, options);
  }
}

async function signatureOf(
  { signature, secret }: Signed,
  make: (secret: string) => Promise<string>,
): Promise<string> {
  if (signature !== undefined) return signature;
  if (secret !== undefined) return make(secret);
  throw new ValidationError('signature or secret: one is required', { code: 'VALIDATION_ERROR' });
}

async function hmacSha256(secret: string, text: string): Promise<string> {
  const encoder = new TextEncoder();
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), algorithm, false, [
    'sign',
  ]);
  return hex(new Uint8Array(await crypto.subtle.sign('HMAC', key, encoder.encode(text))));
}
