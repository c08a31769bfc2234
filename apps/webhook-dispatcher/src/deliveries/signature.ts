import { createHmac } from 'node:crypto';

/** A body about to be sent. */
export interface Signable {
  readonly id: string;
  readonly body: string;
  /** Unix seconds. */
  readonly timestamp: number;
}

/**
 * The headers that prove who sent a body, in our own form and as Standard Webhooks has it. `secrets`: the one in force
 * first, then the one before as long as it signs too.
 */
export function signatureHeaders(
  { id, body, timestamp }: Signable,
  secrets: readonly string[],
): Record<string, string> {
  const [current, previous] = secrets.map((secret) => ownSignature(secret, timestamp, body));
  const standard = secrets.map((secret) => standardSignature(secret, `${id}.${timestamp}.${body}`));
  return {
    'x-spooled-timestamp': String(timestamp),
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    ...(current === undefined ? {} : { 'x-spooled-signature': current }),
    ...(previous === undefined ? {} : { 'x-spooled-signature-previous': previous }),
    ...(standard.length === 0 ? {} : { 'webhook-signature': standard.join(' ') }),
  };
}

function ownSignature(secret: string, timestamp: number, body: string): string {
  return `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
}

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
function standardSignature(secret: string, content: string): string {
  return `v1,${createHmac('sha256', standardKey(secret)).update(content).digest('base64')}`;
}

const PREFIX = 'whsec_';

/** `whsec_` announces a key in base64; any other secret is the key itself. */
function standardKey(secret: string): Buffer {
  const text = secret.slice(PREFIX.length);
  const isBase64 = text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
  return secret.startsWith(PREFIX) && isBase64 ? Buffer.from(text, 'base64') : Buffer.from(secret);
}
