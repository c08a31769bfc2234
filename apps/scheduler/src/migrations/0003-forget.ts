import type { Migration } from '@spooled/postgres';

/** A deleted organization leaves no runs behind. */
export const schedules0003: Migration = {
  name: '0003-forget',
  up: 'grant delete on schedules.run to spooled_schedules',
};
