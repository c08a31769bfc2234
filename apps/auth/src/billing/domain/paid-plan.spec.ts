import { paidPlan } from './paid-plan.js';

const prices = new Map([
  ['price_s', 'starter'],
  ['price_p', 'pro'],
] as const);

function planAfter(
  status: string,
  over: { price?: string; plan?: string; before?: string; id?: string } = {},
): string {
  const { price = 'price_p', plan = 'starter', before = 'active', id = 'sub_1' } = over;
  return paidPlan(
    {
      plan_tier: plan,
      stripe_subscription_id: 'sub_1',
      stripe_subscription_status: before,
    },
    { subscription_id: id, status, price_id: price },
    prices,
  );
}

describe('the plan of a subscription', () => {
  it.each([
    ['active', 'pro'],
    ['trialing', 'pro'],
    ['past_due', 'pro'],
    ['canceled', 'free'],
    ['unpaid', 'free'],
    ['paused', 'free'],
    ['incomplete', 'starter'],
    ['incomplete_expired', 'starter'],
    ['a status yet to come', 'starter'],
  ])('that is %s is %s', (status, expected) => {
    expect(planAfter(status)).toBe(expected);
  });

  it('is that of its price, and none other for a price that is not ours', () => {
    expect(planAfter('active', { price: 'price_s', plan: 'free' })).toBe('starter');
    expect(planAfter('active', { price: 'price_x', plan: 'free' })).toBe('free');
  });

  it('leaves what was given by contract', () => {
    expect(planAfter('active', { plan: 'enterprise' })).toBe('enterprise');
    expect(planAfter('canceled', { plan: 'enterprise' })).toBe('enterprise');
  });

  it('leaves what was given after it had ended', () => {
    expect(planAfter('canceled', { plan: 'pro', before: 'canceled' })).toBe('pro');
    expect(planAfter('canceled', { plan: 'pro', before: 'canceled', id: 'sub_2' })).toBe('free');
  });
});
