import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { canUseQueue, isTicket, type Principal } from '@spooled/contracts';
import { isKeyLike } from '../keys/domain/api-key.js';
import { KeySecrets } from '../keys/key-secrets.js';
import { LastUsed } from '../keys/last-used.js';
import { KeyRepository, type AccessRow } from '../keys/store/key.repository.js';
import { organizationOfTicket } from '../tokens/domain/ticket.js';
import { SessionRepository } from '../tokens/store/session.repository.js';
import { TokenSigner } from '../tokens/token-signer.js';
import { principalOf } from './domain/principal.js';

/** Tells whose a credential is. `null` everywhere means that it grants nothing, for whatever reason. */
@Injectable()
export class CredentialsService {
  constructor(
    private readonly keys: KeyRepository,
    private readonly sessions: SessionRepository,
    private readonly secrets: KeySecrets,
    private readonly signer: TokenSigner,
    private readonly lastUsed: LastUsed,
  ) {}

  async resolve(credential: string): Promise<Principal | null> {
    const principal = await this.#resolve(credential);
    if (principal !== null) this.lastUsed.note(principal.organizationId, principal.apiKeyId);
    return principal;
  }

  /** What access that was granted before grants now. The answer carries no token times: the asker has them. */
  async check(
    organizationId: string,
    apiKeyId: string,
    token: { readonly sid: string } | null,
  ): Promise<Principal | null> {
    const access = await this.keys.findAccess(organizationId, apiKeyId, token?.sid ?? null);
    if (access === null) return null;
    return principalOf(access, { credential: token === null ? 'key' : 'jwt' });
  }

  /** What the API key with this text grants. */
  async findByKey(text: string): Promise<AccessRow | null> {
    if (!isKeyLike(text)) return null;
    const hash = this.secrets.hash(text);
    const owner = await this.keys.findByHash(hash);
    if (owner === null) return null;
    const access = await this.keys.findAccess(owner.organization_id, owner.id, null);
    // The index compared the hashes already, in a time that tells nothing without the pepper; this one is ours.
    return access !== null && timingSafeEqual(access.key_hash, hash) ? access : null;
  }

  #resolve(credential: string): Promise<Principal | null> {
    if (isTicket(credential)) return this.#redeem(credential);
    if (credential.startsWith('eyJ')) return this.#fromToken(credential);
    return this.#fromKey(credential);
  }

  async #fromKey(text: string): Promise<Principal | null> {
    const access = await this.findByKey(text);
    return access === null ? null : principalOf(access, { credential: 'key' });
  }

  async #fromToken(text: string): Promise<Principal | null> {
    const claims = await this.signer.verify(text, 'access');
    if (typeof claims === 'string') return null;
    const { org_id: organizationId, api_key_id: apiKeyId, iat, exp, jti, sid } = claims;
    const access = await this.keys.findAccess(organizationId, apiKeyId, sid);
    if (access === null) return null;
    const token = { issuedAt: iat, expiresAt: exp, jti, sid };
    return principalOf(access, { credential: 'jwt', token });
  }

  /** A ticket is used up by this, even when what stands behind it is gone. */
  async #redeem(text: string): Promise<Principal | null> {
    const organizationId = organizationOfTicket(text);
    if (organizationId === undefined) return null;
    const ticket = await this.sessions.redeemTicket(organizationId, this.secrets.hash(text));
    if (ticket === null) return null;
    const sid = ticket.token?.sid ?? null;
    const access = await this.keys.findAccess(organizationId, ticket.api_key_id, sid);
    if (access === null) return null;
    const principal = principalOf(access, {
      credential: ticket.token === null ? 'key' : 'jwt',
      token: ticket.token ?? undefined,
      narrowedTo: { queue: ticket.queue, jobId: ticket.job_id },
    });
    if (ticket.queue === null) return principal;
    // The key may have lost the queue since; and who does not know of narrowing must not get the key's whole scope.
    return canUseQueue(principal, ticket.queue) ? { ...principal, queues: [ticket.queue] } : null;
  }
}
