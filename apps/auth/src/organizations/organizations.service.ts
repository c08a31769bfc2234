import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import {
  AppError,
  effectiveLimits,
  isUnrestricted,
  isUuid,
  type AdminUpdateOrganizationRequest,
  type CreatedOrganization,
  type CreateOrganizationRequest,
  type Organization,
  type OrganizationSummary,
  type PlanLimits,
  type PlanTier,
  type Principal,
} from '@spooled/contracts';
import { Database, sqlState } from '@spooled/postgres';
import { v7 as uuid } from 'uuid';
import { AuthChanges } from '../credentials/auth-changes.js';
import { KeysService } from '../keys/keys.service.js';
import { OrganizationRepository, type OrganizationRow } from './store/organization.repository.js';

const FIRST_KEY = { name: 'Initial Admin Key', queues: ['*'] };

/** Use cases of organizations, for themselves and for the administrator. */
@Injectable()
export class OrganizationsService {
  constructor(
    private readonly database: Database,
    private readonly organizations: OrganizationRepository,
    private readonly keys: KeysService,
    private readonly changes: AuthChanges,
  ) {}

  /** @throws AppError `CONFLICT` when the slug or the address is taken. */
  async create(
    request: CreateOrganizationRequest,
    planTier: PlanTier,
  ): Promise<CreatedOrganization> {
    const id = uuid();
    const created = this.database.transaction([id], async (tx) => {
      const organization = await this.organizations.insert(tx, {
        id,
        name: request.name,
        slug: request.slug,
        planTier,
        billingEmail: request.billing_email ?? null,
        settings: { webhook_token: `whk_${randomBytes(32).toString('base64url')}` },
      });
      return {
        organization: toWire(organization),
        api_key: await this.keys.issue(tx, id, FIRST_KEY),
      };
    });
    return created.catch(refuseTaken);
  }

  async listOwn(caller: Principal): Promise<OrganizationSummary[]> {
    const { id, name, slug, plan_tier, created_at } = await this.get(caller, caller.organizationId);
    return [{ id, name, slug, plan_tier, created_at }];
  }

  /** @throws AppError `NOT_FOUND` for any organization but the caller's own. */
  async get(caller: Principal, id: string): Promise<Organization> {
    const row = id === caller.organizationId ? await this.organizations.find(id) : null;
    const organization = toWire(row ?? unknownOrganization());
    return isUnrestricted(caller) ? organization : withoutWebhookToken(organization);
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT` when the address is taken. */
  async update(id: string, request: AdminUpdateOrganizationRequest): Promise<Organization> {
    if (!isUuid(id)) return unknownOrganization();
    const row = await this.organizations
      .update(id, {
        name: request.name,
        planTier: request.plan_tier,
        billingEmail: request.billing_email,
        settings: request.settings,
        customLimits: request.custom_limits,
      })
      .catch(refuseTaken);
    if (row === null) return unknownOrganization();
    this.changes.organization(id);
    return toWire(row);
  }

  /** The limits that hold, overrides included, for those organizations that still exist. */
  async plans(ids: readonly string[]): Promise<{ organizationId: string; plan: PlanLimits }[]> {
    const rows = await this.organizations.findPlans(ids);
    return rows.map(({ id, plan_tier: tier, custom_limits: customLimits }) => ({
      organizationId: id,
      plan: effectiveLimits(tier, customLimits),
    }));
  }
}

const UNIQUE_VIOLATION = '23505';

/** The unique indexes of live organizations decide; asking first would only leave a race. */
function refuseTaken(error: unknown): never {
  if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
  const { constraint } = (error as AppError).cause as { constraint?: string };
  const what = constraint === 'organization_live_slug' ? 'Slug' : 'Billing email';
  throw new AppError('CONFLICT', `${what} is already in use`, { cause: error });
}

function unknownOrganization(): never {
  throw new AppError('NOT_FOUND', 'Organization not found');
}

function withoutWebhookToken(organization: Organization): Organization {
  const { webhook_token: _hidden, ...settings } = organization.settings;
  return { ...organization, settings };
}

function toWire(row: OrganizationRow): Organization {
  return {
    id: row.id,
    name: row.name,
    slug: row.slug,
    plan_tier: row.plan_tier,
    billing_email: row.billing_email,
    settings: row.settings,
    custom_limits: row.custom_limits,
    stripe_customer_id: row.stripe_customer_id,
    stripe_subscription_id: row.stripe_subscription_id,
    stripe_subscription_status: row.stripe_subscription_status,
    stripe_current_period_end: row.stripe_current_period_end?.toISOString() ?? null,
    stripe_cancel_at_period_end: row.stripe_cancel_at_period_end,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
