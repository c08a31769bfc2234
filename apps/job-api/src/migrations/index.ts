import type { Migration } from '@spooled/postgres';
import { jobsMigration } from './0001-jobs.js';

export const migrations: readonly Migration[] = [jobsMigration];
