import type { Migration } from '@spooled/postgres';
import { webhooks0001 } from './0001-webhooks.js';
import { webhooks0002 } from './0002-audit-and-forget.js';

/** Every migration of schema `webhooks`, oldest first. */
export const migrations: readonly Migration[] = [webhooks0001, webhooks0002];
