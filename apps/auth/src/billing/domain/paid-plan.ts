import type { PlanTier } from '@spooled/contracts';

/** Which price pays for which plan. */
export type PlanPrices = ReadonlyMap<string, PlanTier>;

/** While a payment is late Stripe tries again for days; the plan holds until it gives up. */
const PAYING: ReadonlySet<string> = new Set(['active', 'trialing', 'past_due']);
/** It had paid and does no more. One that never paid (`incomplete`) changes nothing. */
const ENDED: ReadonlySet<string> = new Set(['canceled', 'unpaid', 'paused']);

export interface PaidFor {
  readonly subscription_id: string;
  readonly status: string;
  readonly price_id: string | null;
}

export interface Plan {
  readonly plan_tier: string;
  readonly stripe_subscription_id: string | null;
  readonly stripe_subscription_status: string | null;
}

/**
 * The plan that a subscription makes of the one there is. An end counts when it is news, so that a plan that was given
 * afterwards stays; and what was given by contract (enterprise) is not Stripe's to change.
 */
export function paidPlan(plan: Plan, paid: PaidFor, prices: PlanPrices): string {
  if (plan.plan_tier === 'enterprise') return plan.plan_tier;
  if (PAYING.has(paid.status)) return prices.get(paid.price_id ?? '') ?? plan.plan_tier;
  const isNews =
    plan.stripe_subscription_id !== paid.subscription_id ||
    plan.stripe_subscription_status !== paid.status;
  return ENDED.has(paid.status) && isNews ? 'free' : plan.plan_tier;
}
