import type { Migration } from '@spooled/postgres';

export const webhooks0003: Migration = {
  name: '0003-delivery-traceparents',
  up: `
-- The W3C trace context of what a delivery tells of; its requests go on in it. Null: none.
alter table webhooks.delivery add column traceparent text;
`,
};
