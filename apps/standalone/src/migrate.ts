import { auditMigrations } from '@spooled/audit';
import { migrations as auth } from '@spooled/auth';
import { eventLogMigrations } from '@spooled/event-log';
import { migrations as jobs } from '@spooled/job-api';
import { runMigrations } from '@spooled/postgres';
import { migrations as schedules } from '@spooled/scheduler';
import { migrations as webhooks } from '@spooled/webhook-dispatcher';
import { migrations as workers } from '@spooled/worker-registry';

/** Brings the schemas of all rooms up to date; `url` must belong to the owner of the database. */
export async function migrateAll(url: string): Promise<void> {
  await runMigrations(url, [
    ...eventLogMigrations,
    ...auditMigrations,
    ...auth,
    ...jobs,
    ...workers,
    ...schedules,
    ...webhooks,
  ]);
}
