import { Injectable } from '@nestjs/common';
import { Database, type Transaction } from '@spooled/postgres';
import type { SubscriptionNews } from '../domain/stripe-event.js';
import type { PaidFor, Plan } from '../domain/paid-plan.js';
import * as statements from './billing.sql.js';

export interface SubscriptionRow extends PaidFor {
  readonly current_period_end: Date | null;
  readonly cancel_at_period_end: boolean;
}

@Injectable()
export class BillingRepository {
  constructor(private readonly database: Database) {}

  async linkCustomer(organizationId: string, customerId: string): Promise<void> {
    const values = [organizationId, customerId];
    await this.database.query([organizationId], statements.linkCustomer, values);
  }

  async keepSubscription(customerId: string, toldAt: Date, news: SubscriptionNews): Promise<void> {
    await this.database.query([], statements.keepSubscription, [
      customerId,
      news.subscriptionId,
      news.status,
      news.priceId,
      news.periodEnd,
      news.cancelAtPeriodEnd,
      toldAt,
      news.rank,
    ]);
  }

  async keepPayment(customerId: string, toldAt: Date, payment: 'paid' | 'failed'): Promise<void> {
    const status = payment === 'paid' ? 'active' : 'past_due';
    await this.database.query([], statements.keepPayment, [customerId, toldAt, status]);
  }

  async findByCustomer(customerId: string): Promise<string | null> {
    const rows = await this.database.maintenance((tx) =>
      tx.query<{ id: string }>(statements.findByCustomer, [customerId]),
    );
    return rows[0]?.id ?? null;
  }

  async isKnown(eventId: string): Promise<boolean> {
    const rows = await this.database.query([], statements.isKnown, [eventId]);
    return rows.length > 0;
  }

  /** `busy`: somebody deals with the event right now; `known`: somebody has. */
  async takeEvent(tx: Transaction, eventId: string): Promise<'taken' | 'busy' | 'known'> {
    const [lock] = await tx.query<{ is_free: boolean }>(statements.takeEvent, [eventId]);
    if (lock?.is_free !== true) return 'busy';
    const kept = await tx.query(statements.keepEvent, [eventId]);
    return kept.length > 0 ? 'taken' : 'known';
  }

  /** The plan of an organization that this customer still pays for, locked until commit. */
  async lockPlan(tx: Transaction, id: string, customerId: string): Promise<Plan | null> {
    const [row] = await tx.query<Plan>(statements.lockPlan, [id, customerId]);
    return row ?? null;
  }

  async findSubscription(tx: Transaction, customerId: string): Promise<SubscriptionRow | null> {
    const [row] = await tx.query<SubscriptionRow>(statements.findSubscription, [customerId]);
    return row ?? null;
  }

  applySubscription(tx: Transaction, id: string, planTier: string, paid: SubscriptionRow): void {
    tx.send(statements.applySubscription, [
      id,
      planTier,
      paid.subscription_id,
      paid.status,
      paid.current_period_end,
      paid.cancel_at_period_end,
    ]);
  }

  /** Answers how many of a batch were old. */
  async prune(batch: number): Promise<number> {
    const [row] = await this.database.maintenance((tx) =>
      tx.query<{ pruned: number }>(statements.pruneEvents, [batch]),
    );
    return row?.pruned ?? 0;
  }
}
