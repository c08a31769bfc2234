import type { Migration } from '@spooled/postgres';
import { jobsMigration } from './0001-jobs.js';
import { dependenciesMigration } from './0002-dependencies-workflows-pace.js';
import { plansAndWaitsMigration } from './0003-plans-and-waits.js';
import { jobReportsMigration } from './0004-job-reports.js';
import { jobTagsMigration } from './0005-job-tags.js';
import { auditMigration } from './0006-audit.js';
import { completionWebhooksMigration } from './0007-completion-webhooks.js';
import { historyAndTypesMigration } from './0008-history-and-types.js';
import { jobTraceparentsMigration } from './0009-job-traceparents.js';

/** Every migration of schema `jobs`, oldest first. */
export const migrations: readonly Migration[] = [
  jobsMigration,
  dependenciesMigration,
  plansAndWaitsMigration,
  jobReportsMigration,
  jobTagsMigration,
  auditMigration,
  completionWebhooksMigration,
  historyAndTypesMigration,
  jobTraceparentsMigration,
];
