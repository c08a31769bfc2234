import type { Migration } from '@spooled/postgres';
import { schedules0001 } from './0001-schedules.js';
import { schedules0002 } from './0002-schedule-events.js';
import { schedules0003 } from './0003-forget.js';

/** Every migration of schema `schedules`, oldest first. */
export const migrations: readonly Migration[] = [schedules0001, schedules0002, schedules0003];
