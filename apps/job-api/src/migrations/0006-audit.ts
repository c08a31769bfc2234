import type { Migration } from '@spooled/postgres';

/** What is deleted by hand is written to the audit trail. Needs its roles. */
export const auditMigration: Migration = {
  name: '0006-audit',
  up: 'grant spooled_audit_writer to spooled_jobs',
};
