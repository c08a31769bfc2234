/** A subscription as Stripe told it at a moment. */
export interface SubscriptionNews {
  readonly subscriptionId: string;
  readonly status: string;
  readonly priceId: string | null;
  readonly periodEnd: Date | null;
  readonly cancelAtPeriodEnd: boolean;
  /** Of events of one second, which is the later one. */
  readonly rank: number;
}

/** What an event says that matters here. */
export interface BillingNews {
  readonly customerId: string;
  /** The organization that pays, as it was named when the payment began. */
  readonly organizationId: string | null;
  readonly toldAt: Date;
  readonly subscription: SubscriptionNews | null;
  /** An invoice of the subscription was paid, or could not be. */
  readonly payment: 'paid' | 'failed' | null;
}

export interface StripeEvent {
  readonly id: string;
  readonly type: string;
  /** Unix seconds. */
  readonly created: number;
  readonly data: { readonly object: Readonly<Record<string, unknown>> };
}

const SUBSCRIPTION_RANKS: Readonly<Record<string, number>> = {
  'customer.subscription.created': 0,
  'customer.subscription.updated': 1,
  'customer.subscription.deleted': 2,
};
const PAYMENTS: Readonly<Record<string, 'paid' | 'failed'>> = {
  'invoice.paid': 'paid',
  'invoice.payment_failed': 'failed',
};

/** `null` for an event that says nothing here: of another type, or of a payment that is no subscription's. */
export function newsOf({ type, created, data: { object } }: StripeEvent): BillingNews | null {
  const customerId = idOf(object['customer']);
  if (customerId === null) return null;
  const news = {
    customerId,
    organizationId: organizationOf(object),
    toldAt: new Date(created * 1000),
    subscription: null,
    payment: null,
  };
  if (type === 'checkout.session.completed') {
    return object['mode'] === 'subscription' ? news : null;
  }
  const payment = PAYMENTS[type];
  if (payment !== undefined) return { ...news, payment };
  const rank = SUBSCRIPTION_RANKS[type];
  const subscription = rank === undefined ? null : subscriptionOf(object, rank);
  return subscription === null ? null : { ...news, subscription };
}

function subscriptionOf(
  object: Readonly<Record<string, unknown>>,
  rank: number,
): SubscriptionNews | null {
  const { id, status } = object;
  if (typeof id !== 'string' || typeof status !== 'string') return null;
  const item = firstItem(object);
  // Newer versions of Stripe's API tell the period of each item, older ones that of the subscription.
  const end = item['current_period_end'] ?? object['current_period_end'];
  return {
    subscriptionId: id,
    status,
    priceId: idOf(item['price']),
    periodEnd: typeof end === 'number' ? new Date(end * 1000) : null,
    cancelAtPeriodEnd: object['cancel_at_period_end'] === true,
    rank,
  };
}

function firstItem(subscription: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const items = asRecord(subscription['items'])['data'];
  return asRecord(Array.isArray(items) ? (items as unknown[])[0] : undefined);
}

function organizationOf(object: Readonly<Record<string, unknown>>): string | null {
  const named = object['client_reference_id'] ?? asRecord(object['metadata'])['organization_id'];
  return typeof named === 'string' ? named : null;
}

/** Stripe writes a reference as an id, or as the whole object where that was asked for. */
function idOf(reference: unknown): string | null {
  const id = typeof reference === 'string' ? reference : asRecord(reference)['id'];
  return typeof id === 'string' && id !== '' ? id : null;
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
