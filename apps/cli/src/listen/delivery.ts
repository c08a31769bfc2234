/** An event as the product's own webhooks would deliver it: the same body, headers and signatures (docs/webhooks.md). */
import { webhookEventOf, type StoredEvent, type WebhookEventName } from '@spooled/contracts';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

export interface Delivery {
  readonly id: string;
  readonly event: WebhookEventName;
  readonly body: string;
}

/**
 * Null for what webhooks do not tell.
 *
 * @param cursor of the event: one that comes again, to the same receiver, is the same delivery
 */
export function deliveryOf(event: StoredEvent, cursor: string, receiver: string): Delivery | null {
  const told = webhookEventOf(event);
  if (told === null) return null;
  const random = createHash('sha256').update(`${receiver} ${cursor}`).digest();
  const id = uuidv7({ msecs: Date.parse(told.at), random });
  const { name, at, data } = told;
  return { id, event: name, body: JSON.stringify({ id, event: name, created_at: at, data }) };
}

/** @param timestamp unix seconds of this attempt */
export function deliveryHeaders(
  { id, event, body }: Delivery,
  attempt: number,
  secret: string,
  timestamp = Math.floor(Date.now() / 1000),
): Record<string, string> {
  const own = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
  const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
  const standard = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'content-type': 'application/json',
    'user-agent': 'Spooled-OutgoingWebhook/1.0',
    'x-spooled-event': event,
    'x-spooled-delivery-attempt': String(attempt),
    'x-spooled-timestamp': String(timestamp),
    'x-spooled-signature': `sha256=${own}`,
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${standard}`,
  };
}

const PREFIX = 'whsec_';

/** As Standard Webhooks has it. Source: https://www.standardwebhooks.com */
export function newSecret(): string {
  return PREFIX + randomBytes(32).toString('base64');
}
