import type { Migration } from '@spooled/postgres';

/** Whoever is deleted pays no more. */
export const auth0006: Migration = {
  name: '0006-removed-subscriptions',
  up: `
-- What Stripe is still to be told to end; null when there was nothing to pay, and when it has been told.
alter table auth.removal add column stripe_subscription_id text;
`,
};
