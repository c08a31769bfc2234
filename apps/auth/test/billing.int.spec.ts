import type { BillingStatus } from '@spooled/contracts';
import { Database, sql } from '@spooled/postgres';
import { eventually, onCleanUp } from '@spooled/testing';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Stripe from 'stripe';
import { ExpiryPruner } from '../src/maintenance/expiry-pruner.js';
import { RemovalFinisher } from '../src/maintenance/removal-finisher.js';
import { ADMIN_KEY, TestService } from './setup.js';

const SECRET = 'whsec_of_the_tests';
const origin = 'https://dashboard.example';
let service: TestService;
let stripe: FakeStripe;

/** Stripe's API as far as it is asked: it opens portals and ends subscriptions. */
class FakeStripe {
  readonly asked: {
    authorization: string | undefined;
    method: string;
    url: string;
    body: URLSearchParams;
  }[] = [];
  status = 200;

  private constructor(readonly url: string) {}

  static async start(): Promise<FakeStripe> {
    const server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        const { authorization } = request.headers;
        const body = new URLSearchParams(text);
        fake.asked.push({ authorization, method: request.method!, url: request.url!, body });
        response.writeHead(fake.status, { 'content-type': 'application/json' });
        const answer =
          fake.status === 200
            ? { object: 'billing_portal.session', url: 'https://billing.stripe.example/session' }
            : { error: { type: 'invalid_request_error', message: 'no' } };
        response.end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onCleanUp(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    const fake = new FakeStripe(`http://127.0.0.1:${port}`);
    return fake;
  }
}

async function reboot(environment: Readonly<Record<string, string>> = {}): Promise<void> {
  await service.shutDown();
  await service.boot({
    STRIPE_SECRET_KEY: 'sk_test_1',
    STRIPE_BILLING_WEBHOOK_SECRET: SECRET,
    STRIPE_STARTER_PRICE_ID: 'price_starter',
    STRIPE_PRO_PRICE_ID: 'price_pro',
    STRIPE_API_URL: stripe.url,
    CORS_ALLOWED_ORIGINS: origin,
    ...environment,
  });
}

beforeAll(async () => {
  service = await TestService.start();
  stripe = await FakeStripe.start();
  await reboot();
});

afterAll(() => service.stop());

const fresh = (kind: string): string => `${kind}_${randomBytes(8).toString('hex')}`;
const now = (): number => Math.floor(Date.now() / 1000);

interface Sent {
  readonly id?: string;
  readonly created?: number;
}

function send(type: string, object: object, { id = fresh('evt'), created = now() }: Sent = {}) {
  const rawBody = JSON.stringify({ id, object: 'event', type, created, data: { object } }, null, 2);
  return post(rawBody, sign(rawBody));
}

function post(rawBody: string, signature: string | undefined) {
  const headers: Record<string, string> =
    signature === undefined ? {} : { 'stripe-signature': signature };
  return service.call('POST', '/billing/webhook', { rawBody, headers });
}

function sign(payload: string, secret = SECRET, timestamp = now()): string {
  return Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
}

/** An organization whose payment has begun, and what Stripe tells of its subscription. */
async function payer(plan: 'free' | 'enterprise' = 'free') {
  const organization = await service.organization(plan);
  const customer = fresh('cus');
  const id = fresh('sub');
  const session = { customer, mode: 'subscription', client_reference_id: organization.id };
  const subscription = (over: object = {}) => ({
    id,
    customer,
    status: 'active',
    cancel_at_period_end: false,
    items: { data: [{ price: { id: 'price_pro' }, current_period_end: 1_900_000_000 }] },
    ...over,
  });
  const status = async () =>
    (await service.call<BillingStatus>('GET', '/billing/status', { credential: organization.key }))
      .body;
  return { ...organization, customer, session, subscription, status, subscriptionId: id };
}

async function paying() {
  const world = await payer();
  await send('checkout.session.completed', world.session);
  await send('customer.subscription.created', world.subscription());
  return world;
}

describe('GET /billing/status', () => {
  it('says that nothing is paid', async () => {
    const { status } = await payer();
    expect(await status()).toEqual({
      plan_tier: 'free',
      stripe_subscription_id: null,
      stripe_subscription_status: null,
      stripe_current_period_end: null,
      stripe_cancel_at_period_end: null,
      has_stripe_customer: false,
    });
  });

  it('says what is paid, to a scoped key too', async () => {
    const { id, subscriptionId } = await paying();
    const { key } = await service.key(id, { queues: ['emails'] });
    const { status, body } = await service.call('GET', '/billing/status', { credential: key });
    expect(status).toBe(200);
    expect(body).toEqual({
      plan_tier: 'pro',
      stripe_subscription_id: subscriptionId,
      stripe_subscription_status: 'active',
      stripe_current_period_end: '2030-03-17T17:46:40.000Z',
      stripe_cancel_at_period_end: false,
      has_stripe_customer: true,
    });
  });

  it('is told to nobody without a key', async () => {
    expect((await service.call('GET', '/billing/status')).status).toBe(401);
  });
});

describe('POST /billing/webhook', () => {
  it('gives the plan of the price, at once, and writes it down', async () => {
    const { session, subscription, status, key } = await payer();
    expect((await send('checkout.session.completed', session)).body).toEqual({ received: true });
    expect(await status()).toMatchObject({ plan_tier: 'free', has_stripe_customer: true });
    expect((await send('customer.subscription.created', subscription())).status).toBe(200);
    expect(await status()).toMatchObject({ plan_tier: 'pro' });
    const { body: trail } = await service.call<object[]>('GET', '/audit?action=plan.changed', {
      credential: key,
    });
    expect(trail).toMatchObject([
      { actor_type: 'system', details: { from: 'free', to: 'pro', subscription: 'active' } },
    ]);
  });

  it('knows whose the subscription is when it is told of it first', async () => {
    const { session, subscription, status } = await payer();
    await send('customer.subscription.created', subscription());
    expect(await status()).toMatchObject({ plan_tier: 'free' });
    await send('checkout.session.completed', session);
    expect(await status()).toMatchObject({ plan_tier: 'pro' });
  });

  it('sees both when checkout and subscription come at once', async () => {
    const payers = await Promise.all(Array.from({ length: 5 }, () => payer()));
    await Promise.all(
      payers.flatMap(({ session, subscription }) => [
        send('checkout.session.completed', session),
        send('customer.subscription.created', subscription()),
      ]),
    );
    for (const { status } of payers) expect(await status()).toMatchObject({ plan_tier: 'pro' });
  });

  it('is told whose it is by the subscription itself', async () => {
    const { id, subscription, status } = await payer();
    const metadata = { organization_id: id };
    await send('customer.subscription.created', subscription({ metadata }));
    expect(await status()).toMatchObject({ plan_tier: 'pro', has_stripe_customer: true });
  });

  it('follows a change of price, of the period, and the end', async () => {
    const { subscription, status } = await paying();
    const items = {
      data: [{ price: { id: 'price_starter' }, current_period_end: 1_900_000_060 }],
    };
    await send(
      'customer.subscription.updated',
      subscription({ items, cancel_at_period_end: true }),
    );
    expect(await status()).toMatchObject({
      plan_tier: 'starter',
      stripe_current_period_end: '2030-03-17T17:47:40.000Z',
      stripe_cancel_at_period_end: true,
    });
    await send('customer.subscription.deleted', subscription({ status: 'canceled' }));
    expect(await status()).toMatchObject({
      plan_tier: 'free',
      stripe_subscription_status: 'canceled',
    });
  });

  it('keeps the plan while a payment is late', async () => {
    const { customer, status } = await paying();
    await send('invoice.payment_failed', { customer });
    expect(await status()).toMatchObject({
      plan_tier: 'pro',
      stripe_subscription_status: 'past_due',
    });
    await send('invoice.paid', { customer });
    expect(await status()).toMatchObject({
      plan_tier: 'pro',
      stripe_subscription_status: 'active',
    });
  });

  it('gives nothing for a first payment that fails', async () => {
    const { session, subscription, customer, status } = await payer();
    await send('checkout.session.completed', session);
    await send('customer.subscription.created', subscription({ status: 'incomplete' }));
    await send('invoice.payment_failed', { customer });
    expect(await status()).toMatchObject({
      plan_tier: 'free',
      stripe_subscription_status: 'incomplete',
    });
  });

  it('believes what is newer, in whatever order it comes', async () => {
    const { subscription, status } = await paying();
    const canceled = subscription({ status: 'canceled' });
    await send('customer.subscription.deleted', canceled, { created: now() + 60 });
    await send('customer.subscription.updated', subscription(), { created: now() + 30 });
    expect(await status()).toMatchObject({ plan_tier: 'free' });
  });

  it('does not take one subscription for another that was left', async () => {
    const { subscription, status, subscriptionId } = await paying();
    const other = { id: fresh('sub') };
    await send('customer.subscription.created', subscription({ ...other, status: 'incomplete' }));
    await send('customer.subscription.deleted', subscription({ ...other, status: 'canceled' }));
    expect(await status()).toMatchObject({
      plan_tier: 'pro',
      stripe_subscription_id: subscriptionId,
    });
  });

  it('leaves a plan that was given by hand, and one by contract', async () => {
    const { id, subscription, status, customer } = await paying();
    await send('customer.subscription.deleted', subscription({ status: 'canceled' }));
    await service.call('PATCH', `/admin/organizations/${id}`, {
      adminKey: ADMIN_KEY,
      body: { plan_tier: 'pro' },
    });
    await send('invoice.paid', { customer });
    expect(await status()).toMatchObject({ plan_tier: 'pro' });

    const large = await payer('enterprise');
    await send('checkout.session.completed', large.session);
    await send('customer.subscription.created', large.subscription());
    await send('customer.subscription.deleted', large.subscription({ status: 'canceled' }));
    expect(await large.status()).toMatchObject({ plan_tier: 'enterprise' });
  });

  it('lets nobody take over an organization that pays', async () => {
    const { id, status, customer } = await paying();
    const stranger = { customer: fresh('cus'), mode: 'subscription', client_reference_id: id };
    await send('checkout.session.completed', stranger);
    await send('invoice.payment_failed', { customer });
    expect(await status()).toMatchObject({ stripe_subscription_status: 'past_due' });
  });

  it('counts an event once', async () => {
    const { id, subscription, status } = await paying();
    const event = { id: fresh('evt'), created: now() + 5 };
    const ended = subscription({ status: 'canceled' });
    expect((await send('customer.subscription.deleted', ended, event)).status).toBe(200);
    await service.call('PATCH', `/admin/organizations/${id}`, {
      adminKey: ADMIN_KEY,
      body: { plan_tier: 'starter' },
    });
    expect((await send('customer.subscription.deleted', ended, event)).status).toBe(200);
    expect(await status()).toMatchObject({ plan_tier: 'starter' });
  });

  it('asks for patience while the same event is being dealt with', async () => {
    const { customer } = await paying();
    const id = fresh('evt');
    const hold = sql(
      'test.hold',
      `select pg_advisory_xact_lock(hashtextextended('stripe ' || $1, 0))`,
    );
    await service.context.get(Database).transaction([], async (tx) => {
      await tx.query(hold, [id]);
      const { status, body } = await send('invoice.paid', { customer }, { id });
      expect([status, body['code']]).toEqual([409, 'CONFLICT']);
    });
    expect((await send('invoice.paid', { customer }, { id })).status).toBe(200);
  });

  it.each([
    ['another type', 'customer.created', { id: 'cus_1' }],
    ['a customer of nobody here', 'invoice.paid', { customer: 'cus_nobody' }],
    ['an organization that is none', 'checkout.session.completed', { client_reference_id: 'demo' }],
  ])('takes note of %s', async (_what, type, object) => {
    const answer = await send(type, { customer: 'cus_nobody', mode: 'subscription', ...object });
    expect(answer.status).toBe(200);
  });

  describe('refuses', () => {
    const body = JSON.stringify({
      id: 'evt_1',
      object: 'event',
      type: 'invoice.paid',
      created: 1,
      data: { object: {} },
    });
    it.each<[string, string, () => string | undefined]>([
      ['no signature', body, () => undefined],
      ['a signature that is none', body, () => 't=1,v1=abc'],
      ['one of another secret', body, () => sign(body, 'whsec_other')],
      ['one of another body', body.replace('evt_1', 'evt_2'), () => sign(body)],
      ['one that is older than five minutes', body, () => sign(body, SECRET, now() - 301)],
      ['a signed text that is no event', '[]', () => sign('[]')],
      ['a signed text that is no JSON', 'x', () => sign('x')],
    ])('%s', async (_what, text, signature) => {
      const answer = await post(text, signature());
      expect(answer.status).toBe(400);
      expect(answer.body).toMatchObject({ code: 'BAD_REQUEST' });
    });
  });

  it('takes a signature that is nearly five minutes old', async () => {
    const text = JSON.stringify({
      id: fresh('evt'),
      object: 'event',
      type: 'customer.created',
      created: now(),
      data: { object: {} },
    });
    expect((await post(text, sign(text, SECRET, now() - 290))).status).toBe(200);
  });

  it('forgets events that Stripe will not tell again', async () => {
    await paying();
    const database = service.context.get(Database);
    await database.maintenance((tx) =>
      tx.query(
        sql('test.old', `update auth.stripe_event set received_at = now() - interval '31 days'`),
      ),
    );
    await service.context.get(ExpiryPruner).step();
    expect(await database.query([], sql('test.events', 'select from auth.stripe_event'))).toEqual(
      [],
    );
  });
});

describe('POST /billing/portal', () => {
  const open = (credential: string, body: object) =>
    service.call<{ url: string }>('POST', '/billing/portal', { credential, body });
  const back = { return_url: `${origin}/billing` };

  it('opens the page of the customer', async () => {
    const { key, customer } = await paying();
    const { status, body } = await open(key, back);
    expect(status).toBe(200);
    expect(body).toEqual({ url: 'https://billing.stripe.example/session' });
    const asked = stripe.asked.at(-1)!;
    expect(asked).toMatchObject({
      authorization: 'Bearer sk_test_1',
      url: '/v1/billing_portal/sessions',
    });
    expect(Object.fromEntries(asked.body)).toEqual({ customer, ...back });
  });

  it.each([
    'https://evil.example/billing',
    'http://dashboard.example/billing',
    'https://dashboard.example.evil.example/',
    'https://dashboard.example@evil.example/',
    'javascript:alert(1)',
    'billing',
  ])('does not lead back to %s', async (return_url) => {
    const { key } = await paying();
    const { status, body } = await open(key, { return_url });
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'VALIDATION_ERROR' });
  });

  it('has nobody to open it for without a customer', async () => {
    const { key } = await payer();
    const { status, body } = await open(key, back);
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'BAD_REQUEST' });
  });

  it('is for full keys only', async () => {
    const { id } = await paying();
    const { key } = await service.key(id, { queues: ['emails'] });
    expect((await open(key, back)).status).toBe(403);
  });

  it.each([
    [400, 500, 'CONFIGURATION_ERROR'],
    [503, 503, 'SERVICE_UNAVAILABLE'],
  ])('when Stripe answers %i, answers %i', async (theirs, ours, code) => {
    const { key } = await paying();
    stripe.status = theirs;
    const { status, body } = await open(key, back);
    stripe.status = 200;
    expect(status).toBe(ours);
    expect(body).toMatchObject({ code });
  });
});

describe('an organization that is deleted', () => {
  const remove = (id: string) =>
    service.call('DELETE', `/admin/organizations/${id}?hard_delete=true`, {
      headers: { 'x-admin-key': ADMIN_KEY },
    });
  const endings = (subscriptionId: string): string[] =>
    stripe.asked
      .filter(({ url }) => url === `/v1/subscriptions/${subscriptionId}`)
      .map(({ method }) => method);
  const wake = async (organizationId: string) => {
    await service.context.get(Database).maintenance((tx) => tx.query(makeDue, [organizationId]));
    service.context.get(RemovalFinisher).wake();
  };

  it('pays no more, as soon as Stripe can be told', async () => {
    const { id, subscriptionId } = await paying();
    stripe.status = 500;
    expect((await remove(id)).status).toBe(204);
    await eventually(() => expect(endings(subscriptionId)).toContain('DELETE'));
    stripe.status = 200;
    await eventually(async () => {
      await wake(id);
      expect(await unsettled(id)).toEqual([]);
    });
    const told = endings(subscriptionId).length;
    await wake(id);
    await eventually(async () => expect(await isDue(id)).toBe(false));
    expect(endings(subscriptionId)).toHaveLength(told);
  });

  it('that paid before, or never, is of no interest to Stripe', async () => {
    const { id, subscriptionId, subscription } = await paying();
    await send('customer.subscription.deleted', subscription({ status: 'canceled' }));
    expect((await remove(id)).status).toBe(204);
    expect(await unsettled(id)).toEqual([]);
    expect(endings(subscriptionId)).toEqual([]);
  });

  it('that Stripe knows nothing of is as good as ended', async () => {
    const { id, subscriptionId } = await paying();
    stripe.status = 404;
    expect((await remove(id)).status).toBe(204);
    await eventually(async () => expect(await unsettled(id)).toEqual([]));
    expect(endings(subscriptionId)).toEqual(['DELETE']);
    stripe.status = 200;
  });

  async function unsettled(organizationId: string): Promise<unknown[]> {
    return service.context
      .get(Database)
      .maintenance((tx) => tx.query(unsettledSubscription, [organizationId]));
  }

  async function isDue(organizationId: string): Promise<boolean> {
    const rows = await service.context
      .get(Database)
      .maintenance((tx) => tx.query(dueRemoval, [organizationId]));
    return rows.length > 0;
  }
});

describe('where billing is not configured', () => {
  it('portal and webhook say so', async () => {
    await reboot({ STRIPE_SECRET_KEY: '', STRIPE_BILLING_WEBHOOK_SECRET: '' });
    const { key } = await service.organization();
    const answers = [
      await service.call('POST', '/billing/portal', {
        credential: key,
        body: { return_url: `${origin}/billing` },
      }),
      await send('invoice.paid', { customer: 'cus_1' }),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(501);
      expect(body).toMatchObject({ code: 'FEATURE_DISABLED', message: expect.any(String) });
    }
    const { status } = await service.call('GET', '/billing/status', { credential: key });
    expect(status).toBe(200);
  });
});

const makeDue = sql(
  'test.make-due',
  'update auth.removal set next_at = now() where organization_id = $1',
);
const unsettledSubscription = sql(
  'test.unsettled-subscription',
  `select 1 from auth.removal where organization_id = $1 and stripe_subscription_id is not null`,
);
const dueRemoval = sql(
  'test.due-removal',
  'select 1 from auth.removal where organization_id = $1 and next_at <= now()',
);
