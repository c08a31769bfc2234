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
  email: z.string().optional(),
});
const signupClaims = z.object({ token_type: z.literal('signup'), email: z.string() });
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
  /** Of a login by e-mail. */
  readonly email?: string | undefined;
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
      email: subject.email,
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setSubject(subject.apiKeyId)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + lifeSecs)
      .setJti(randomId())
      .sign(this.#secret);
  }

  /** A token that says who has shown to read an address, and grants nothing but signing up with it. */
  async signSignup(email: string, lifeSecs: number): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ token_type: 'signup', email })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setIssuedAt(now)
      .setExpirationTime(now + lifeSecs)
      .setJti(randomId())
      .sign(this.#secret);
  }

  /** The address of a good signup token. */
  async verifySignup(token: string): Promise<string | null> {
    const claims = await this.#verified(token, signupClaims);
    return typeof claims === 'string' ? null : claims.email;
  }

  /** The claims of a token of this type whose signature and times are right, or what is wrong with it. */
  async verify(token: string, type: TokenType): Promise<TokenClaims | 'invalid' | 'expired'> {
    const verified = await this.#verified(token, claims);
    if (typeof verified === 'string') return verified;
    return verified.token_type === type ? verified : 'invalid';
  }

  async #verified<S extends z.ZodType<object>>(
    token: string,
    schema: S,
  ): Promise<z.output<S> | 'invalid' | 'expired'> {
    if (token.length > MAX_TOKEN_CHARS) return 'invalid';
    try {
      const { payload } = await jwtVerify(token, this.#secret, { algorithms: [ALGORITHM] });
      const parsed = schema.safeParse(payload);
      return parsed.success ? parsed.data : 'invalid';
    } catch (error) {
      if (error instanceof errors.JWTExpired) return 'expired';
      if (error instanceof errors.JOSEError) return 'invalid';
      throw error;
    }
  }
}
