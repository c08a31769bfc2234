import { sql } from '@spooled/postgres';

export const start = sql(
  'removals.start',
  `insert into auth.removal (organization_id, stripe_subscription_id) values ($1, $2)`,
);

/**
 * Takes removals that are due, each for one instance at a time. The longer one is not finished, the more rarely it is
 * tried: a service that a deployment does without never answers.
 */
export const takeDue = sql(
  'removals.take-due',
  `update auth.removal r
   set next_at = now() + greatest(interval '1 minute', (now() - r.requested_at) / 4)
   from (
     select organization_id from auth.removal
     where next_at <= now() order by next_at limit $1
     for update skip locked
   ) due
   where r.organization_id = due.organization_id
   returning r.organization_id, r.stripe_subscription_id as subscription_id`,
);

export const settleSubscription = sql(
  'removals.settle-subscription',
  `update auth.removal set stripe_subscription_id = null where organization_id = $1`,
);

/** Every service has forgotten it. Not over before $2 seconds have passed: until then one may still write. */
export const settle = sql(
  'removals.settle',
  `with finished as (
     delete from auth.removal
     where organization_id = $1 and requested_at <= now() - make_interval(secs => $2)
   )
   update auth.removal set next_at = requested_at + make_interval(secs => $2)
   where organization_id = $1 and requested_at > now() - make_interval(secs => $2)`,
);
