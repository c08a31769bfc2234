import { Injectable } from '@nestjs/common';
import { Database, type Transaction } from '@spooled/postgres';
import * as statements from './organization.sql.js';

export interface OrganizationRow {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly plan_tier: string;
  readonly billing_email: string | null;
  readonly settings: Record<string, unknown>;
  readonly custom_limits: Record<string, unknown> | null;
  readonly stripe_customer_id: string | null;
  readonly stripe_subscription_id: string | null;
  readonly stripe_subscription_status: string | null;
  readonly stripe_current_period_end: Date | null;
  readonly stripe_cancel_at_period_end: boolean | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface NewOrganization {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly planTier: string;
  readonly billingEmail: string | null;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Absent fields keep their values; null removes the address or the limits. */
export interface OrganizationChange {
  readonly name?: string | null;
  readonly planTier?: string | null;
  readonly billingEmail?: string | null;
  readonly settings?: Readonly<Record<string, unknown>> | null;
  readonly customLimits?: Readonly<Record<string, unknown>> | null;
  /** Laid over the settings, replaced or not. */
  readonly settingsPatch?: Readonly<Record<string, unknown>>;
}

export interface IngestionRow {
  readonly plan_tier: string;
  readonly custom_limits: unknown;
  readonly webhook_token: string | null;
  readonly github_secret: string | null;
  readonly stripe_secret: string | null;
}

export interface RemovedOrganization {
  readonly slug: string;
  /** At Stripe, when one still runs. */
  readonly subscription_id: string | null;
}

export interface OrganizationPlanRow {
  readonly id: string;
  readonly plan_tier: string;
  readonly custom_limits: unknown;
}

@Injectable()
export class OrganizationRepository {
  constructor(private readonly database: Database) {}

  async insert(tx: Transaction, organization: NewOrganization): Promise<OrganizationRow> {
    const [row] = await tx.query<OrganizationRow>(statements.insert, [
      organization.id,
      organization.name,
      organization.slug,
      organization.planTier,
      organization.billingEmail,
      JSON.stringify(organization.settings),
    ]);
    return row!;
  }

  async find(id: string): Promise<OrganizationRow | null> {
    const [row] = await this.database.query<OrganizationRow>([id], statements.find, [id]);
    return row ?? null;
  }

  async findIdBySlug(slug: string): Promise<string | null> {
    const rows = await this.database.maintenance((tx) =>
      tx.query<{ id: string }>(statements.findIdBySlug, [slug]),
    );
    return rows[0]?.id ?? null;
  }

  /** Whose billing address this is, in any case. */
  async findIdByAddress(email: string): Promise<string | null> {
    const rows = await this.database.maintenance((tx) =>
      tx.query<{ id: string }>(statements.findIdByAddress, [email]),
    );
    return rows[0]?.id ?? null;
  }

  async update(
    tx: Transaction,
    id: string,
    change: OrganizationChange,
  ): Promise<OrganizationRow | null> {
    const { name, planTier, billingEmail, settings, customLimits, settingsPatch } = change;
    const [row] = await tx.query<OrganizationRow>(statements.update, [
      id,
      name ?? null,
      planTier ?? null,
      billingEmail !== undefined,
      billingEmail ?? null,
      jsonOrNull(settings),
      customLimits !== undefined,
      jsonOrNull(customLimits),
      jsonOrNull(settingsPatch),
    ]);
    return row ?? null;
  }

  async findIngestion(id: string): Promise<IngestionRow | null> {
    const [row] = await this.database.query<IngestionRow>([id], statements.findIngestion, [id]);
    return row ?? null;
  }

  async replaceWebhookToken(tx: Transaction, id: string, token: string): Promise<boolean> {
    const rows = await tx.query(statements.replaceWebhookToken, [id, token]);
    return rows.length > 0;
  }

  /** Answers the slug it had; `null` when there is none that lives. */
  async removeSoftly(tx: Transaction, id: string): Promise<string | null> {
    const [row] = await tx.query<{ slug: string }>(statements.removeSoftly, [id]);
    return row?.slug ?? null;
  }

  /** `null` when there is none, or none that lives and only such a one is meant. */
  async remove(
    tx: Transaction,
    id: string,
    isDeletedMeant: boolean,
  ): Promise<RemovedOrganization | null> {
    const [row] = await tx.query<RemovedOrganization>(statements.remove, [id, isDeletedMeant]);
    return row ?? null;
  }

  async findPlans(ids: readonly string[]): Promise<OrganizationPlanRow[]> {
    return this.database.query<OrganizationPlanRow>(ids, statements.findPlans, [ids]);
  }
}

function jsonOrNull(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value);
}
