import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { keyActor, recordAction } from '@spooled/audit';
import {
  AppError,
  effectiveLimits,
  isUnrestricted,
  isUuid,
  type AdminUpdateOrganizationRequest,
  type AuditActor,
  type CreatedOrganization,
  type CreateOrganizationRequest,
  type Member,
  type Organization,
  type OrganizationSummary,
  type PlanLimits,
  type PlanTier,
  type Principal,
  type UpdateOrganizationRequest,
} from '@spooled/contracts';
import { Database, sqlState, type Transaction } from '@spooled/postgres';
import { v7 as uuid } from 'uuid';
import { AuthChanges } from '../credentials/auth-changes.js';
import { scopeOf } from '../keys/domain/api-key.js';
import { KeysService } from '../keys/keys.service.js';
import { KeyRepository, type KeyRow } from '../keys/store/key.repository.js';
import {
  OrganizationRepository,
  type OrganizationChange,
  type OrganizationRow,
} from './store/organization.repository.js';

const FIRST_KEY = { name: 'Initial Admin Key', queues: ['*'] };
const WEBHOOK_TOKEN_BYTES = 24;

/** Settings that let whoever knows them put jobs in. */
const INGESTION_SECRETS = ['webhook_token', 'github_webhook_secret', 'stripe_webhook_secret'];

/** Use cases of organizations, for themselves and for the administrator. */
@Injectable()
export class OrganizationsService {
  constructor(
    private readonly database: Database,
    private readonly organizations: OrganizationRepository,
    private readonly keyRows: KeyRepository,
    private readonly keys: KeysService,
    private readonly changes: AuthChanges,
  ) {}

  /** @throws AppError `CONFLICT` when the slug or the address is taken. */
  async create(
    request: CreateOrganizationRequest,
    planTier: PlanTier,
    actor: AuditActor,
  ): Promise<CreatedOrganization> {
    const id = uuid();
    const created = this.database.transaction([id], async (tx) => {
      const organization = await this.organizations.insert(tx, {
        id,
        name: request.name,
        slug: request.slug,
        planTier,
        billingEmail: request.billing_email ?? null,
        settings: { webhook_token: newWebhookToken() },
      });
      const details = { slug: request.slug, plan_tier: planTier };
      recordAction(tx, { organizationId: id, actor, action: 'organization.created', details });
      return {
        organization: toWire(organization),
        api_key: await this.keys.issue(tx, id, FIRST_KEY, actor),
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
    requireOwn(caller, id);
    const organization = toWire((await this.organizations.find(id)) ?? unknownOrganization());
    return isUnrestricted(caller) ? organization : withoutSecrets(organization);
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT` when the address is taken. */
  async updateOwn(
    caller: Principal,
    id: string,
    { description, logo_url, ...request }: UpdateOrganizationRequest,
  ): Promise<Organization> {
    requireOwn(caller, id);
    const shown = Object.entries({ description, logo_url }).filter(([, value]) => value != null);
    const settingsPatch = shown.length === 0 ? undefined : Object.fromEntries(shown);
    return this.update(id, request, keyActor(caller), settingsPatch);
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT` when the address is taken. */
  async update(
    id: string,
    request: AdminUpdateOrganizationRequest,
    actor: AuditActor,
    settingsPatch?: OrganizationChange['settingsPatch'],
  ): Promise<Organization> {
    if (!isUuid(id)) return unknownOrganization();
    const change: OrganizationChange = {
      name: request.name,
      planTier: request.plan_tier,
      billingEmail: request.billing_email,
      settings: request.settings,
      customLimits: request.custom_limits,
      settingsPatch,
    };
    const changed = this.database.transaction([id], async (tx) => {
      const before = (await this.keyRows.lockOrganization(tx, id)) ?? unknownOrganization();
      const row = (await this.organizations.update(tx, id, change)) ?? unknownOrganization();
      recordUpdate(tx, row, { actor, planTierBefore: before.plan_tier, change });
      return row;
    });
    const row = await changed.catch(refuseTaken);
    await this.changes.organization(id);
    return toWire(row);
  }

  /** Each active key stands for somebody. @throws AppError `NOT_FOUND` */
  async members(caller: Principal, id: string): Promise<Member[]> {
    const [organization, keys] = await Promise.all([
      this.get(caller, id),
      this.keyRows.listActive(caller.organizationId),
    ]);
    return keys.map((key) => toMember(key, organization.billing_email));
  }

  /** @throws AppError `NOT_FOUND` */
  async member(caller: Principal, id: string, memberId: string): Promise<Member> {
    const found = (await this.members(caller, id)).find((member) => member.id === memberId);
    if (found === undefined) throw new AppError('NOT_FOUND', 'Member not found');
    return found;
  }

  /** @throws AppError `NOT_FOUND` */
  async webhookToken(caller: Principal): Promise<string> {
    const known = await this.organizations.findIngestion(caller.organizationId);
    if (known === null) return unknownOrganization();
    return known.webhook_token ?? this.regenerateWebhookToken(caller);
  }

  /** The old token ends with the commit. @throws AppError `NOT_FOUND` */
  async regenerateWebhookToken(caller: Principal): Promise<string> {
    const { organizationId } = caller;
    const token = newWebhookToken();
    await this.database.transaction([organizationId], async (tx) => {
      const isKnown = await this.organizations.replaceWebhookToken(tx, organizationId, token);
      if (!isKnown) unknownOrganization();
      const actor = keyActor(caller);
      recordAction(tx, { organizationId, actor, action: 'webhook_token.regenerated' });
    });
    await this.changes.organization(organizationId);
    return token;
  }

  /** What webhook ingestion must know; `null` for an organization that is not, or no more. */
  async ingestion(id: string) {
    const row = await this.organizations.findIngestion(id);
    if (row === null) return null;
    return {
      plan: effectiveLimits(row.plan_tier, row.custom_limits),
      webhookToken: row.webhook_token,
      githubSecret: row.github_secret,
      stripeSecret: row.stripe_secret,
    };
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

interface Update {
  readonly actor: AuditActor;
  readonly planTierBefore: string;
  readonly change: OrganizationChange;
}

/** A change of what the organization may use is told apart from all others. */
function recordUpdate(
  tx: Transaction,
  { id: organizationId, plan_tier, custom_limits }: OrganizationRow,
  { actor, planTierBefore, change }: Update,
): void {
  if (plan_tier !== planTierBefore || change.customLimits !== undefined) {
    const details = { from: planTierBefore, to: plan_tier, custom_limits };
    recordAction(tx, { organizationId, actor, action: 'plan.changed', details });
  }
  const fields = fieldsOf(change);
  if (fields.length === 0) return;
  const details = { fields };
  recordAction(tx, { organizationId, actor, action: 'organization.updated', details });
}

/** What is changed, as clients call it. The values stay out: there are secrets and addresses among them. */
function fieldsOf(change: OrganizationChange): string[] {
  return [
    ...(change.name == null ? [] : ['name']),
    ...(change.billingEmail === undefined ? [] : ['billing_email']),
    ...(change.settings == null ? [] : ['settings']),
    ...Object.keys(change.settingsPatch ?? {}),
  ];
}

const UNIQUE_VIOLATION = '23505';

/** The unique indexes of live organizations decide; asking first would only leave a race. */
function refuseTaken(error: unknown): never {
  if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
  const { constraint } = (error as AppError).cause as { constraint?: string };
  const what = constraint === 'organization_live_slug' ? 'Slug' : 'Billing email';
  throw new AppError('CONFLICT', `${what} is already in use`, { cause: error });
}

function requireOwn(caller: Principal, id: string): void {
  if (id !== caller.organizationId) unknownOrganization();
}

function unknownOrganization(): never {
  throw new AppError('NOT_FOUND', 'Organization not found');
}

function newWebhookToken(): string {
  return `whk_${randomBytes(WEBHOOK_TOKEN_BYTES).toString('base64url')}`;
}

function withoutSecrets(organization: Organization): Organization {
  const shown = Object.entries(organization.settings).filter(
    ([name]) => !INGESTION_SECRETS.includes(name),
  );
  return { ...organization, settings: Object.fromEntries(shown) };
}

function toMember({ id, name, queues, created_at }: KeyRow, billingEmail: string | null): Member {
  const isOwner = scopeOf(queues).length === 0;
  return {
    id,
    user_id: id,
    email: isOwner ? billingEmail : null,
    name,
    role: isOwner ? 'owner' : 'member',
    joined_at: created_at.toISOString(),
  };
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
