import { newsOf } from './stripe-event.js';

const created = 1_800_000_000;
const event = (type: string, object: Record<string, unknown>) =>
  newsOf({ id: 'evt_1', type, created, data: { object } });
const subscription = {
  id: 'sub_1',
  customer: 'cus_1',
  status: 'active',
  cancel_at_period_end: true,
  items: { data: [{ price: { id: 'price_1' }, current_period_end: created + 60 }] },
};
const nothing = { organizationId: null, subscription: null, payment: null };
const told = { customerId: 'cus_1', toldAt: new Date(created * 1000) };

describe('the news in an event', () => {
  it.each([
    ['created', 0],
    ['updated', 1],
    ['deleted', 2],
  ])('of a subscription that was %s is what it is now', (what, rank) => {
    expect(event(`customer.subscription.${what}`, subscription)).toEqual({
      ...told,
      ...nothing,
      subscription: {
        subscriptionId: 'sub_1',
        status: 'active',
        priceId: 'price_1',
        periodEnd: new Date((created + 60) * 1000),
        cancelAtPeriodEnd: true,
        rank,
      },
    });
  });

  it('is read from older versions of the API as well', () => {
    const older = { ...subscription, items: { data: [] }, current_period_end: created + 5 };
    expect(event('customer.subscription.updated', older)?.subscription).toMatchObject({
      periodEnd: new Date((created + 5) * 1000),
      priceId: null,
    });
  });

  it('names the organization that was named when payment began', () => {
    const metadata = { organization_id: 'org-1' };
    const named = { ...told, ...nothing, organizationId: 'org-1' };
    const session = { customer: { id: 'cus_1' }, mode: 'subscription' };
    const type = 'checkout.session.completed';
    expect(event(type, { ...session, client_reference_id: 'org-1' })).toEqual(named);
    expect(event(type, { ...session, metadata })).toEqual(named);
    expect(event('customer.subscription.created', { ...subscription, metadata })).toMatchObject({
      organizationId: 'org-1',
    });
  });

  it.each([
    ['invoice.paid', 'paid'],
    ['invoice.payment_failed', 'failed'],
  ])('of %s is that it was %s', (type, payment) => {
    expect(event(type, { customer: 'cus_1' })).toEqual({ ...told, ...nothing, payment });
  });

  it.each([
    ['another type', 'customer.updated', { customer: 'cus_1' }],
    [
      'a checkout of something else',
      'checkout.session.completed',
      { customer: 'cus_1', mode: 'payment' },
    ],
    ['nobody who pays', 'invoice.paid', { customer: null }],
    ['a subscription without an id', 'customer.subscription.updated', { customer: 'cus_1' }],
    ['nothing at all', 'customer.subscription.updated', {}],
  ])('is none in %s', (_what, type, object) => {
    expect(event(type, object)).toBeNull();
  });
});
