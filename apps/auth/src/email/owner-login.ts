import { Injectable } from '@nestjs/common';
import { systemActor } from '@spooled/audit';
import type { SessionGrant } from '@spooled/contracts';
import { Database } from '@spooled/postgres';
import { KeysService } from '../keys/keys.service.js';
import { KeyRepository } from '../keys/store/key.repository.js';
import { TokensService } from '../tokens/tokens.service.js';

const OWNER_KEY = { name: 'Email login', queues: ['*'] };

/**
 * Sessions of whoever reads the mail of an organization. A session needs a key to stand on: the oldest one that may use
 * every queue, so that revoking keys ends sessions as ever. An owner without any gets one, past the plan: this is the
 * way back in.
 */
@Injectable()
export class OwnerLogin {
  constructor(
    private readonly database: Database,
    private readonly keyRows: KeyRepository,
    private readonly keys: KeysService,
    private readonly tokens: TokensService,
  ) {}

  /** `null` when the organization is no more. */
  async open(organizationId: string, email: string): Promise<SessionGrant | null> {
    const key = await this.database.transaction([organizationId], async (tx) => {
      const plan = await this.keyRows.lockOrganization(tx, organizationId);
      if (plan === null) return null;
      const owner = await this.keyRows.findOwner(tx, organizationId);
      if (owner !== null) return owner;
      const issued = await this.keys.issue(tx, organizationId, OWNER_KEY, systemActor);
      return { id: issued.id, queues: OWNER_KEY.queues };
    });
    if (key === null) return null;
    return this.tokens.open({ organizationId, apiKeyId: key.id, queues: key.queues, email });
  }
}
