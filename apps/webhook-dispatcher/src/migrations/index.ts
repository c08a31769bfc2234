import type { Migration } from '@spooled/postgres';
import { webhooks0001 } from './0001-webhooks.js';
import { webhooks0002 } from './0002-audit-and-forget.js';
import { webhooks0003 } from './0003-delivery-traceparents.js';

/** Every migration of schema `webhooks`, oldest first. */
export const migrations: readonly Migration[] = [webhooks0001, webhooks0002, webhooks0003];
