import type { Migration } from '@spooled/postgres';

/** What Stripe told. */
export const auth0005: Migration = {
  name: '0005-billing',
  up: `
create index organization_by_stripe_customer on auth.organization (stripe_customer_id)
  where stripe_customer_id is not null;

-- Events that were dealt with: Stripe tells each at least once, for up to three days.
create table auth.stripe_event (
  id text primary key check (char_length(id) between 1 and 255),
  received_at timestamptz not null default now()
);
create index stripe_event_by_age on auth.stripe_event (received_at);

-- The newest of what is known of each customer's subscription. Stripe tells in no order, and of a subscription before it
-- is known whose the customer is; so it is kept by customer, and there is no tenant to hold the rows to.
create table auth.stripe_subscription (
  customer_id text primary key,
  subscription_id text not null,
  status text not null,
  price_id text,
  current_period_end timestamptz,
  cancel_at_period_end boolean not null,
  -- Of the event that told it; of two in one second the higher rank is the later one.
  told_at timestamptz not null,
  told_rank smallint not null
);

grant select, insert on auth.stripe_event to spooled_auth;
grant select, insert, update, delete on auth.stripe_subscription to spooled_auth;
grant select, update, delete on auth.stripe_event to spooled_auth_maintenance;
`,
};
