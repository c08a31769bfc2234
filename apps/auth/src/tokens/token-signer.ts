import { Inject, Injectable } from '@nestjs/common';
import { errors, jwtVerify, SignJWT } from 'jose';
import { v4 as randomId } from 'uuid';
import { z } from 'zod';
import { AUTH_CONFIG, type AuthConfig } from '../config.js';

const HOUR_SECS = 3600;
const REFRESH_FACTOR = 24;
const MAX_TOKEN_CHARS = 8192;
const ALGORITHM = 'HS256';

const claims = z.object({
  org_id: z.uuid(),
  api_key_id: z.uuid(),
  token_type: z.enum(['access', 'refresh']),
  iat: z.int(),
  exp: z.int(),
  jti: z.string().min(1),
  sid: z.uuid(),
});
export type TokenClaims = z.output<typeof claims>;
export type TokenType = TokenClaims['token_type'];

/** Whom a token speaks for. */
export interface TokenSubject {
  readonly organizationId: string;
  readonly apiKeyId: string;
  /** The login it descends from. */
  readonly sid: string;
  /** As the key has them; told to clients, never believed when the token comes back. */
  readonly queues: readonly string[];
}

/** Writes and reads our JWTs. A good signature says who made the token, not that it still grants anything. */
@Injectable()
export class TokenSigner {
  readonly accessLifeSecs: number;
  readonly refreshLifeSecs: number;
  readonly #secret: Uint8Array;

  constructor(@Inject(AUTH_CONFIG) config: AuthConfig) {
    this.#secret = new TextEncoder().encode(config.JWT_SECRET.reveal());
    this.accessLifeSecs = config.JWT_EXPIRATION_HOURS * HOUR_SECS;
    this.refreshLifeSecs = this.accessLifeSecs * REFRESH_FACTOR;
  }

  async sign(type: TokenType, subject: TokenSubject): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const lifeSecs = type === 'access' ? this.accessLifeSecs : this.refreshLifeSecs;
    return new SignJWT({
      org_id: subject.organizationId,
      api_key_id: subject.apiKeyId,
      queues: subject.queues,
      token_type: type,
      sid: subject.sid,
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setSubject(subject.apiKeyId)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + lifeSecs)
      .setJti(randomId())
      .sign(this.#secret);
  }

  /** The claims of a token of this type whose signature and times are right, or what is wrong with it. */
  async verify(token: string, type: TokenType): Promise<TokenClaims | 'invalid' | 'expired'> {
    if (token.length > MAX_TOKEN_CHARS) return 'invalid';
    try {
      const { payload } = await jwtVerify(token, this.#secret, { algorithms: [ALGORITHM] });
      const parsed = claims.safeParse(payload);
      return parsed.success && parsed.data.token_type === type ? parsed.data : 'invalid';
    } catch (error) {
      if (error instanceof errors.JWTExpired) return 'expired';
      if (error instanceof errors.JOSEError) return 'invalid';
      throw error;
    }
  }
}
