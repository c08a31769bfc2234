import { Injectable } from '@nestjs/common';
import { keyActor, recordAction } from '@spooled/audit';
import {
  AppError,
  effectiveLimits,
  isUuid,
  quotaRefusal,
  type ApiKey,
  type AuditActor,
  type CreatedKey,
  type CreateKeyRequest,
  type IssuedKey,
  type Principal,
  type UpdateKeyRequest,
} from '@spooled/contracts';
import { Database, type Transaction } from '@spooled/postgres';
import { v7 as uuid } from 'uuid';
import { AuthChanges } from '../credentials/auth-changes.js';
import { EVERY_QUEUE } from './domain/api-key.js';
import { KeySecrets } from './key-secrets.js';
import { KeyRepository, type KeyRow } from './store/key.repository.js';

/** Use cases of the keys of one organization. */
@Injectable()
export class KeysService {
  constructor(
    private readonly database: Database,
    private readonly keys: KeyRepository,
    private readonly secrets: KeySecrets,
    private readonly changes: AuthChanges,
  ) {}

  async list(organizationId: string): Promise<ApiKey[]> {
    const rows = await this.keys.list(organizationId);
    return rows.map(toWire);
  }

  async get(organizationId: string, id: string): Promise<ApiKey> {
    const row = isUuid(id) ? await this.keys.find(organizationId, id) : null;
    return toWire(row ?? unknownKey());
  }

  /** @throws AppError `QUOTA_EXCEEDED`, `FEATURE_DISABLED`; `NOT_FOUND` when the organization is not there. */
  async create(caller: Principal, request: CreateKeyRequest): Promise<CreatedKey> {
    const { organizationId } = caller;
    const issued = await this.createForOrganization(organizationId, request, keyActor(caller));
    return { ...issued, expires_at: request.expires_at ?? null };
  }

  /** The same for a caller that may not know whether the organization exists. */
  async createForOrganization(
    organizationId: string,
    request: CreateKeyRequest,
    actor: AuditActor,
  ): Promise<IssuedKey> {
    if (!isUuid(organizationId)) return unknownOrganization();
    return this.database.transaction([organizationId], async (tx) => {
      await this.#charge(tx, organizationId);
      return this.issue(tx, organizationId, request, actor);
    });
  }

  /** Makes a key without asking the plan; for callers that know there is room, such as a new organization. */
  async issue(
    tx: Transaction,
    organizationId: string,
    request: CreateKeyRequest,
    actor: AuditActor,
  ): Promise<IssuedKey> {
    const { text, hash } = this.secrets.issue();
    const row = await this.keys.insert(tx, organizationId, {
      id: uuid(),
      name: request.name,
      hash,
      queues: request.queues ?? EVERY_QUEUE,
      rateLimit: request.rate_limit ?? null,
      expiresAt: request.expires_at ?? null,
    });
    const details = { name: row.name, queues: row.queues };
    recordAction(tx, { organizationId, actor, action: 'key.created', target: row.id, details });
    return { id: row.id, key: text, name: row.name, created_at: row.created_at.toISOString() };
  }

  /** @throws AppError `NOT_FOUND`; `QUOTA_EXCEEDED`, `FEATURE_DISABLED` when it would activate one key too many. */
  async update(caller: Principal, id: string, request: UpdateKeyRequest): Promise<ApiKey> {
    if (!isUuid(id)) return unknownKey();
    const { organizationId } = caller;
    const actor = keyActor(caller);
    const row = await this.database.transaction([organizationId], async (tx) => {
      if (request.is_active === true) await this.#chargeActivation(tx, organizationId, id);
      const { name, queues, rate_limit: rateLimit, is_active: isActive } = request;
      const changed = await this.keys.update(tx, organizationId, id, {
        name,
        queues,
        rateLimit,
        isActive,
      });
      const action = isActive === false ? 'key.revoked' : 'key.updated';
      if (changed !== null) {
        recordAction(tx, { organizationId, actor, action, target: id, details: request });
      }
      return changed;
    });
    if (row === null) return unknownKey();
    await this.changes.key(organizationId, id);
    return toWire(row);
  }

  /** Revoking twice is the same as once. */
  async revoke(caller: Principal, id: string): Promise<void> {
    if (!isUuid(id)) unknownKey();
    const { organizationId } = caller;
    await this.database.transaction([organizationId], async (tx) => {
      const isKnown = await this.keys.revoke(tx, organizationId, id);
      if (!isKnown) unknownKey();
      const actor = keyActor(caller);
      recordAction(tx, { organizationId, actor, action: 'key.revoked', target: id });
    });
    await this.changes.key(organizationId, id);
  }

  async #chargeActivation(tx: Transaction, organizationId: string, id: string): Promise<void> {
    const charge = await this.#lock(tx, organizationId);
    const key = await this.keys.findIn(tx, organizationId, id);
    if (key !== null && !key.is_active) await charge();
  }

  async #charge(tx: Transaction, organizationId: string): Promise<void> {
    const charge = await this.#lock(tx, organizationId);
    await charge();
  }

  /** Makes key changes of an organization wait for each other; answers the check for room for one more. */
  async #lock(tx: Transaction, organizationId: string): Promise<() => Promise<void>> {
    const plan = await this.keys.lockOrganization(tx, organizationId);
    if (plan === null) return unknownOrganization();
    return async () => {
      const active = await this.keys.countActive(tx, organizationId);
      const limits = effectiveLimits(plan.plan_tier, plan.custom_limits);
      const refusal = quotaRefusal(limits, 'api_keys', active);
      if (refusal !== null) throw refusal;
    };
  }
}

function unknownOrganization(): never {
  throw new AppError('NOT_FOUND', 'Organization not found');
}

function unknownKey(): never {
  throw new AppError('NOT_FOUND', 'API key not found');
}

function toWire(row: KeyRow): ApiKey {
  return {
    id: row.id,
    name: row.name,
    queues: row.queues,
    rate_limit: row.rate_limit,
    is_active: row.is_active,
    created_at: row.created_at.toISOString(),
    last_used: row.last_used?.toISOString() ?? null,
    expires_at: row.expires_at?.toISOString() ?? null,
  };
}
