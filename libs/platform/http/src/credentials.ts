import {
  AppError,
  isTicket,
  isUnrestricted,
  type Principal,
  type RouteAuth,
} from '@spooled/contracts';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Secret } from '@spooled/config';
import type { HttpConfig } from './http.config.js';
import type { PrincipalResolver } from './principal-resolver.js';

/** Query parameters that may carry a credential, on streams only; browsers cannot send headers there. */
export const QUERY_CREDENTIALS = ['token', 'api_key', 'ticket'] as const;

export interface Caller {
  readonly principal: Principal;
  readonly credential: string;
}

/** The credential of a request: `Authorization` first, then `X-API-Key`, then (streams only) the query. */
export function credentialOf(
  headers: IncomingHttpHeaders,
  query: Readonly<Record<string, unknown>> | undefined,
): string | undefined {
  const { authorization } = headers;
  if (authorization !== undefined) {
    const match = /^bearer +(\S+) *$/i.exec(authorization);
    if (match !== null) return match[1];
  }
  const key = headers['x-api-key'];
  if (typeof key === 'string' && key !== '') return key;
  for (const name of query === undefined ? [] : QUERY_CREDENTIALS) {
    const value = query?.[name];
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
}

/**
 * A browser ticket travels with a page: outside development only from our own pages and those we know.
 * @throws AppError `ACCESS_DENIED`
 */
export function requireKnownOrigin(
  config: Pick<HttpConfig, 'isDevelopment' | 'CORS_ALLOWED_ORIGINS'>,
  { origin, host }: IncomingHttpHeaders,
  query: Readonly<Record<string, unknown>>,
): void {
  if (config.isDevelopment || origin === undefined || query['ticket'] === undefined) return;
  const isOwn = URL.canParse(origin) && new URL(origin).host === host;
  if (isOwn || config.CORS_ALLOWED_ORIGINS.includes(origin)) return;
  throw new AppError('ACCESS_DENIED', 'This origin may not open streams.');
}

/** @throws AppError `UNAUTHORIZED` without a good credential, `SERVICE_UNAVAILABLE` when nobody can tell. */
export async function authenticate(
  resolver: PrincipalResolver,
  auth: RouteAuth,
  credential: string | undefined,
): Promise<Caller> {
  if (credential === undefined) throw new AppError('UNAUTHORIZED', 'A credential is missing.');
  // A ticket opens one stream and nothing else; elsewhere it must not even be used up.
  if (auth !== 'stream' && isTicket(credential)) throw new AppError('UNAUTHORIZED');
  const principal = await resolver.resolve(credential);
  if (principal === null) throw new AppError('UNAUTHORIZED');
  return { principal, credential };
}

/** @throws AppError `UNAUTHORIZED` for a key where a JWT is needed, `ACCESS_DENIED` for a scoped one where a full one is. */
export function authorize(auth: RouteAuth, principal: Principal): void {
  if (auth === 'jwt' && principal.credential !== 'jwt') throw new AppError('UNAUTHORIZED');
  if (auth === 'full-key' && !isUnrestricted(principal)) {
    throw new AppError('ACCESS_DENIED', 'This needs a key whose queue scope is unrestricted.');
  }
}

/** Constant in time for every wrong key, whatever its length. */
export function isSameSecret(given: unknown, expected: Secret | undefined): boolean {
  if (expected === undefined || typeof given !== 'string') return false;
  return timingSafeEqual(digest(given), digest(expected.reveal()));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
