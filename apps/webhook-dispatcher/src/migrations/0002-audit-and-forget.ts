import type { Migration } from '@spooled/postgres';

/** Deliveries that are sent again by hand are written to the audit trail; a deleted organization leaves none behind. */
export const webhooks0002: Migration = {
  name: '0002-audit-and-forget',
  up: `
grant spooled_audit_writer to spooled_webhooks;
grant delete on webhooks.delivery to spooled_webhooks;
`,
};
