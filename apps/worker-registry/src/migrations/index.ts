import type { Migration } from '@spooled/postgres';
import { workers0001 } from './0001-workers.js';
import { workers0002 } from './0002-larger-concurrency.js';

/** Every migration of schema `workers`, oldest first. */
export const migrations: readonly Migration[] = [workers0001, workers0002];
