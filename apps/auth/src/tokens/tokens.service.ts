import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import {
  AppError,
  canUseQueue,
  type AccessGrant,
  type Identity,
  type IssuedTicket,
  type Principal,
  type SessionGrant,
  type TicketRequest,
  type Validation,
} from '@spooled/contracts';
import { refusal, SharedLimits } from '@spooled/http';
import { v4 as randomId } from 'uuid';
import { AuthChanges } from '../credentials/auth-changes.js';
import { CredentialsService } from '../credentials/credentials.service.js';
import { KeySecrets } from '../keys/key-secrets.js';
import { LastUsed } from '../keys/last-used.js';
import { KeyRepository } from '../keys/store/key.repository.js';
import { OrganizationRepository } from '../organizations/store/organization.repository.js';
import { TICKET_SECRET_BYTES, writeTicket } from './domain/ticket.js';
import { SessionRepository } from './store/session.repository.js';
import { TokenSigner, type TokenSubject } from './token-signer.js';

const LOGINS_PER_MINUTE = 5;
const MINUTE_MS = 60_000;
const TICKET_LIFE_SECS = 30;

/** Use cases of whoever holds a key or a token. */
@Injectable()
export class TokensService {
  /** By hash of the submitted key, successes too. */
  readonly #logins;

  constructor(
    private readonly credentials: CredentialsService,
    private readonly sessions: SessionRepository,
    private readonly keys: KeyRepository,
    private readonly organizations: OrganizationRepository,
    private readonly signer: TokenSigner,
    private readonly secrets: KeySecrets,
    private readonly lastUsed: LastUsed,
    private readonly changes: AuthChanges,
    limits: SharedLimits,
  ) {
    this.#logins = limits.fixedWindows('login');
  }

  /** @throws AppError `RATE_LIMIT_EXCEEDED`, `AUTHENTICATION_FAILED` */
  async login(apiKey: string): Promise<SessionGrant> {
    const name = this.secrets.hash(apiKey).toString('base64');
    const decision = this.#logins.take(name, LOGINS_PER_MINUTE, MINUTE_MS);
    if (!decision.isAllowed) throw refusal(decision);
    const access = await this.credentials.findByKey(apiKey);
    if (access === null) throw new AppError('AUTHENTICATION_FAILED', 'Invalid API key');
    const { organization_id: organizationId, id: apiKeyId, queues } = access;
    return this.open({ organizationId, apiKeyId, queues });
  }

  /** Begins a session of a key, for whoever has shown to be allowed to. */
  async open(holder: Omit<TokenSubject, 'sid'>): Promise<SessionGrant> {
    const { organizationId, apiKeyId } = holder;
    this.lastUsed.note(organizationId, apiKeyId);
    const sid = randomId();
    // The last access token can be made at the very end of the refresh token.
    const lifeSecs = this.signer.refreshLifeSecs + this.signer.accessLifeSecs;
    await this.sessions.open(organizationId, sid, apiKeyId, lifeSecs);
    const subject = { ...holder, sid };
    const [grant, refreshToken] = await Promise.all([
      this.#grant(subject),
      this.signer.sign('refresh', subject),
    ]);
    return {
      ...grant,
      refresh_token: refreshToken,
      refresh_expires_in: this.signer.refreshLifeSecs,
    };
  }

  /** @throws AppError `AUTHENTICATION_FAILED` when the token, its session or its key no longer holds. */
  async refresh(refreshToken: string): Promise<AccessGrant> {
    const claims = await this.signer.verify(refreshToken, 'refresh');
    if (typeof claims === 'string') return refusedRefresh();
    const { org_id: organizationId, api_key_id: apiKeyId, sid, email } = claims;
    const access = await this.keys.findAccess(organizationId, apiKeyId, sid);
    if (access === null) return refusedRefresh();
    const lifeSecs = this.signer.accessLifeSecs;
    const isLive = await this.sessions.extend(organizationId, sid, apiKeyId, lifeSecs);
    if (!isLive) return refusedRefresh();
    return this.#grant({ organizationId, apiKeyId, queues: access.queues, sid, email });
  }

  /** Ends the caller's session, and the one of a refresh token of the same organization if given. */
  async logout(caller: Principal, refreshToken: string | null | undefined): Promise<void> {
    const { organizationId } = caller;
    const sids = new Set<string>();
    if (caller.token !== undefined) sids.add(caller.token.sid);
    if (typeof refreshToken === 'string') {
      const claims = await this.signer.verify(refreshToken, 'refresh');
      // One that is not good, or not theirs, has nothing to end: logging out must always be possible.
      if (typeof claims !== 'string' && claims.org_id === organizationId) sids.add(claims.sid);
    }
    if (sids.size === 0) return;
    const ended = await this.sessions.revoke(organizationId, [...sids]);
    await this.changes.sessions(organizationId, ended);
  }

  async me(caller: Principal): Promise<Identity> {
    const { organizationId, apiKeyId, token } = caller;
    const [organization, key] = await Promise.all([
      this.organizations.find(organizationId),
      this.keys.find(organizationId, apiKeyId),
    ]);
    if (organization === null || key === null || token === undefined) {
      throw new AppError('UNAUTHORIZED');
    }
    const { id, name, slug, plan_tier, billing_email } = organization;
    return {
      organization_id: organizationId,
      api_key_id: apiKeyId,
      queues: key.queues,
      issued_at: toInstant(token.issuedAt),
      expires_at: toInstant(token.expiresAt),
      organization: { id, name, slug, plan_tier, billing_email },
    };
  }

  /** Never refuses: whatever is wrong with the token is the answer. */
  async validate(token: string): Promise<Validation> {
    const claims = await this.signer.verify(token, 'access');
    if (claims === 'expired') return invalid('token_expired', 'The token has expired.');
    if (claims === 'invalid') return invalid('invalid_token', 'This is no access token of ours.');
    const { org_id: organizationId, api_key_id: apiKeyId, iat, exp, sid } = claims;
    const access = await this.keys.findAccess(organizationId, apiKeyId, sid);
    if (access === null) return invalid('token_revoked', 'The token has been revoked.');
    const { queues } = access;
    return {
      valid: true,
      error: null,
      message: null,
      claims: { organization_id: organizationId, api_key_id: apiKeyId, queues, iat, exp },
    };
  }

  /** @throws AppError `ACCESS_DENIED` for a queue outside the key's scope, and for a ticket that asks for another. */
  async createTicket(caller: Principal, request: TicketRequest): Promise<IssuedTicket> {
    const { organizationId, apiKeyId, token = null } = caller;
    const queue = request.queue ?? null;
    if (caller.narrowedTo !== undefined) {
      throw new AppError('ACCESS_DENIED', 'A ticket cannot make tickets.');
    }
    if (queue !== null && !canUseQueue(caller, queue)) {
      throw new AppError('ACCESS_DENIED', 'The key may not use this queue.');
    }
    const ticket = writeTicket(organizationId, randomBytes(TICKET_SECRET_BYTES));
    await this.sessions.saveTicket(organizationId, {
      hash: this.secrets.hash(ticket),
      apiKeyId,
      token,
      queue,
      jobId: request.job_id ?? null,
      lifeSecs: TICKET_LIFE_SECS,
    });
    return { ticket, expires_in: TICKET_LIFE_SECS };
  }

  async #grant(subject: TokenSubject): Promise<AccessGrant> {
    return {
      access_token: await this.signer.sign('access', subject),
      token_type: 'Bearer',
      expires_in: this.signer.accessLifeSecs,
    };
  }
}

function refusedRefresh(): never {
  throw new AppError('AUTHENTICATION_FAILED', 'Invalid or expired refresh token');
}

function invalid(error: NonNullable<Validation['error']>, message: string): Validation {
  return { valid: false, error, message, claims: null };
}

function toInstant(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString();
}
