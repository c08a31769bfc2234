import type { Migration } from '@spooled/postgres';
import { auth0001 } from './0001-auth.js';
import { auth0002 } from './0002-deleted-tier.js';
import { auth0003 } from './0003-audit-and-removal.js';
import { auth0004 } from './0004-email-codes.js';
import { auth0005 } from './0005-billing.js';
import { auth0006 } from './0006-removed-subscriptions.js';

/** Every migration of schema `auth`, oldest first. */
export const migrations: readonly Migration[] = [
  auth0001,
  auth0002,
  auth0003,
  auth0004,
  auth0005,
  auth0006,
];
