import type { Migration } from '@spooled/postgres';
import { webhooks0001 } from './0001-webhooks.js';

/** Every migration of schema `webhooks`, oldest first. */
export const migrations: readonly Migration[] = [webhooks0001];
