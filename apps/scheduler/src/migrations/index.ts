import type { Migration } from '@spooled/postgres';
import { schedules0001 } from './0001-schedules.js';
import { schedules0002 } from './0002-schedule-events.js';

/** Every migration of schema `schedules`, oldest first. */
export const migrations: readonly Migration[] = [schedules0001, schedules0002];
