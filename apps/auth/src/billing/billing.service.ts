import { Inject, Injectable } from '@nestjs/common';
import { recordAction, systemActor } from '@spooled/audit';
import { AppError, isUuid, type BillingStatus, type Principal } from '@spooled/contracts';
import { Database } from '@spooled/postgres';
import { AUTH_CONFIG, type AuthConfig } from '../config.js';
import { AuthChanges } from '../credentials/auth-changes.js';
import { OrganizationRepository } from '../organizations/store/organization.repository.js';
import { paidPlan, type PlanPrices } from './domain/paid-plan.js';
import { newsOf, type BillingNews } from './domain/stripe-event.js';
import { BillingRepository } from './store/billing.repository.js';
import { StripeClient } from './stripe-client.js';

/** Use cases of whoever pays, and of Stripe, which tells that they did. */
@Injectable()
export class BillingService {
  readonly #prices: PlanPrices;
  readonly #origins: ReadonlySet<string>;

  constructor(
    private readonly database: Database,
    private readonly organizations: OrganizationRepository,
    private readonly billing: BillingRepository,
    private readonly stripe: StripeClient,
    private readonly changes: AuthChanges,
    @Inject(AUTH_CONFIG) config: AuthConfig,
  ) {
    const { STRIPE_STARTER_PRICE_ID: starter, STRIPE_PRO_PRICE_ID: pro } = config;
    this.#prices = new Map([
      ...(starter === undefined ? [] : [[starter, 'starter'] as const]),
      ...(pro === undefined ? [] : [[pro, 'pro'] as const]),
    ]);
    const own = config.EXTERNAL_URL === undefined ? [] : [new URL(config.EXTERNAL_URL).origin];
    this.#origins = new Set([...own, ...config.CORS_ALLOWED_ORIGINS]);
  }

  /** @throws AppError `NOT_FOUND` */
  async status({ organizationId }: Principal): Promise<BillingStatus> {
    const row = await this.organizations.find(organizationId);
    if (row === null) throw new AppError('NOT_FOUND', 'Organization not found');
    return {
      plan_tier: row.plan_tier,
      stripe_subscription_id: row.stripe_subscription_id,
      stripe_subscription_status: row.stripe_subscription_status,
      stripe_current_period_end: row.stripe_current_period_end?.toISOString() ?? null,
      stripe_cancel_at_period_end: row.stripe_cancel_at_period_end,
      has_stripe_customer: row.stripe_customer_id !== null,
    };
  }

  /**
   * Where the caller's organization manages payment; `null` where billing is not configured.
   * @throws AppError `VALIDATION_ERROR`, `BAD_REQUEST`, `SERVICE_UNAVAILABLE`, `CONFIGURATION_ERROR`
   */
  async portal({ organizationId }: Principal, returnUrl: string): Promise<string | null> {
    if (!this.stripe.isConfigured) return null;
    // Whoever is led to the portal trusts where it leads back to.
    if (!this.#origins.has(new URL(returnUrl).origin)) {
      throw AppError.invalid('return_url', 'must be of an allowed origin');
    }
    const customer = (await this.organizations.find(organizationId))?.stripe_customer_id ?? null;
    if (customer === null) {
      throw new AppError('BAD_REQUEST', 'The organization has no customer at the payment service.');
    }
    return this.stripe.openPortal(customer, returnUrl);
  }

  /**
   * Deals with one event; `false` where billing is not configured. What it says is kept first, and then whatever is
   * known is applied: of a subscription and a checkout that come at once, in whichever order, one sees both.
   * @throws AppError `BAD_REQUEST` without Stripe's signature, `CONFLICT` while the same event is being dealt with.
   */
  async hear(text: string, signature: unknown): Promise<boolean> {
    const event = this.stripe.readEvent(text, signature);
    if (event === null) return false;
    const news = newsOf(event);
    if (news === null || (await this.billing.isKnown(event.id))) return true;
    await this.#keep(news);
    await this.#apply(event.id, news.customerId);
    return true;
  }

  async #keep({ customerId, organizationId, toldAt, subscription, payment }: BillingNews) {
    if (organizationId !== null && isUuid(organizationId)) {
      await this.billing.linkCustomer(organizationId, customerId);
    }
    if (subscription !== null) {
      await this.billing.keepSubscription(customerId, toldAt, subscription);
    }
    if (payment !== null) await this.billing.keepPayment(customerId, toldAt, payment);
  }

  async #apply(eventId: string, customerId: string): Promise<void> {
    const organizationId = await this.billing.findByCustomer(customerId);
    const scope = organizationId === null ? [] : [organizationId];
    await this.database.transaction(scope, async (tx) => {
      const outcome = await this.billing.takeEvent(tx, eventId);
      if (outcome === 'busy') throw new AppError('CONFLICT', 'The event is being dealt with.');
      if (outcome === 'known' || organizationId === null) return;
      const plan = await this.billing.lockPlan(tx, organizationId, customerId);
      const paid = await this.billing.findSubscription(tx, customerId);
      if (plan === null || paid === null) return;
      const planTier = paidPlan(plan, paid, this.#prices);
      this.billing.applySubscription(tx, organizationId, planTier, paid);
      if (planTier === plan.plan_tier) return;
      const details = { from: plan.plan_tier, to: planTier, subscription: paid.status };
      const action = 'plan.changed';
      recordAction(tx, { organizationId, actor: systemActor, action, details });
    });
    if (organizationId !== null) await this.changes.organization(organizationId);
  }
}
