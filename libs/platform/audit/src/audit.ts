import type { AuditAction, AuditActor } from '@spooled/contracts';
import type { Transaction } from '@spooled/postgres';
import { v7 as uuid } from 'uuid';
import { record } from './audit.sql.js';

/** One administrative or destructive action on an organization. */
export interface AuditEntry {
  readonly organizationId: string;
  readonly actor: AuditActor;
  readonly action: AuditAction;
  /** What it was done to: an id or a name; the organization itself when left out. */
  readonly target?: string;
  /** What a reader must know besides. Never a secret, never an address. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * Writes an action down as part of the transaction that does it: both are there, or neither. Sent without waiting, it
 * costs no round trip.
 */
export function recordAction(transaction: Transaction, entry: AuditEntry): void {
  const { organizationId, actor, action, target = null, details = {} } = entry;
  const actorId = actor.type === 'api_key' ? actor.id : null;
  const values = [organizationId, uuid(), actor.type, actorId, action, target];
  transaction.send(record, [...values, JSON.stringify(details)]);
}

/** Who acts with an API key, or with a token made from it. */
export function keyActor({ apiKeyId }: { readonly apiKeyId: string }): AuditActor {
  return { type: 'api_key', id: apiKeyId };
}

/** Whoever holds the admin key. */
export const adminActor: AuditActor = { type: 'admin' };

/** We ourselves, on behalf of nobody who has a credential. */
export const systemActor: AuditActor = { type: 'system' };
