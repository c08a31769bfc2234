import { sql } from '@spooled/postgres';

/**
 * Notes who pays for an organization. One that pays already keeps its customer: a reference is written by whoever begins
 * a payment, and must not take a paying organization over.
 */
export const linkCustomer = sql(
  'billing.link-customer',
  `update auth.organization set stripe_customer_id = $2, updated_at = now()
   where id = $1 and deleted_at is null and stripe_customer_id is distinct from $2
     and (stripe_customer_id is null or stripe_subscription_status is null
       or stripe_subscription_status in ('canceled', 'unpaid', 'incomplete_expired'))`,
);

/**
 * Keeps what is newer. Another subscription of the customer replaces the one that is known when it pays, or that one does
 * no more: one that is begun and left, or was ended before, must not hide the one that pays.
 */
export const keepSubscription = sql(
  'billing.keep-subscription',
  `insert into auth.stripe_subscription as s (customer_id, subscription_id, status, price_id,
     current_period_end, cancel_at_period_end, told_at, told_rank)
   values ($1, $2, $3, $4, $5, $6, $7, $8)
   on conflict (customer_id) do update
   set subscription_id = excluded.subscription_id, status = excluded.status,
       price_id = excluded.price_id, current_period_end = excluded.current_period_end,
       cancel_at_period_end = excluded.cancel_at_period_end, told_at = excluded.told_at,
       told_rank = excluded.told_rank
   where (s.told_at, s.told_rank) <= (excluded.told_at, excluded.told_rank)
     and (s.subscription_id = excluded.subscription_id
       or excluded.status in ('active', 'trialing', 'past_due')
       or s.status not in ('active', 'trialing', 'past_due'))`,
);

/** A payment that comes, or does not, moves a subscription that runs; one that never began is not begun by it. */
export const keepPayment = sql(
  'billing.keep-payment',
  `update auth.stripe_subscription set status = $3
   where customer_id = $1 and told_at <= $2
     and status = any (case $3 when 'active' then array['past_due', 'unpaid'] else array['active'] end)`,
);

/** Runs as maintenance: whose the customer is must be known before its rows can be looked at. */
export const findByCustomer = sql(
  'billing.find-by-customer',
  `select id from auth.organization
   where stripe_customer_id = $1 and deleted_at is null
   order by created_at limit 1`,
);

export const isKnown = sql(
  'billing.is-known',
  `select 1 as known from auth.stripe_event where id = $1`,
);

/** Held until commit. Not free: somebody deals with this event right now. */
export const takeEvent = sql(
  'billing.take-event',
  `select pg_try_advisory_xact_lock(hashtextextended('stripe ' || $1, 0)) as is_free`,
);

/** Nothing is answered for an event that was dealt with before. */
export const keepEvent = sql(
  'billing.keep-event',
  `insert into auth.stripe_event (id) values ($1) on conflict (id) do nothing returning id`,
);

export const findSubscription = sql(
  'billing.find-subscription',
  `select subscription_id, status, price_id, current_period_end, cancel_at_period_end
   from auth.stripe_subscription where customer_id = $1`,
);

export const lockPlan = sql(
  'billing.lock-plan',
  `select plan_tier, stripe_subscription_id, stripe_subscription_status
   from auth.organization where id = $1 and stripe_customer_id = $2 and deleted_at is null
   for no key update`,
);

export const applySubscription = sql(
  'billing.apply-subscription',
  `update auth.organization
   set plan_tier = $2, stripe_subscription_id = $3, stripe_subscription_status = $4,
       stripe_current_period_end = $5, stripe_cancel_at_period_end = $6, updated_at = now()
   where id = $1`,
);

/** Runs as maintenance. Stripe tells no event again that is as old. */
export const pruneEvents = sql(
  'billing.prune-events',
  `with gone as (
     delete from auth.stripe_event where id in (
       select id from auth.stripe_event
       where received_at < now() - interval '30 days' order by received_at limit $1
       for update skip locked)
     returning 1
   )
   select count(*) as pruned from gone`,
);
