import { isTicket, TICKET_PREFIX } from '@spooled/contracts';

const ID_BYTES = 16;
export const TICKET_SECRET_BYTES = 32;

/**
 * A ticket is 48 bytes of base64url: the organization's id, so that it can be looked up inside that organization
 * alone, and 32 random bytes. The id is no secret to its bearer.
 */
export function writeTicket(organizationId: string, secret: Uint8Array): string {
  const id = Buffer.from(organizationId.replaceAll('-', ''), 'hex');
  if (id.length !== ID_BYTES || secret.length !== TICKET_SECRET_BYTES) {
    throw new Error('a ticket needs an organization and 32 bytes');
  }
  return `${TICKET_PREFIX}${Buffer.concat([id, secret]).toString('base64url')}`;
}

/** The organization a ticket claims to be of; `undefined` when the text is no ticket of ours. */
export function organizationOfTicket(ticket: string): string | undefined {
  const text = ticket.slice(TICKET_PREFIX.length);
  if (!isTicket(ticket) || !/^[A-Za-z0-9_-]{64}$/.test(text)) return undefined;
  const hex = Buffer.from(text, 'base64url').subarray(0, ID_BYTES).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
