import type { Migration } from '@spooled/postgres';

/** Fires are told of in the event log. Needs its roles. */
export const schedules0002: Migration = {
  name: '0002-schedule-events',
  up: `
grant spooled_event_writer to spooled_schedules;
grant spooled_events to spooled_schedules_maintenance;
`,
};
