import type { Metadata } from '@grpc/grpc-js';
import { AppError, isTicket, type Principal } from '@spooled/contracts';
import type { PrincipalResolver } from '@spooled/http';

/** A caller who is known. */
export interface Identity {
  readonly principal: Principal;
  readonly credential: string;
}

/** @throws AppError `UNAUTHORIZED` without a good credential, `SERVICE_UNAVAILABLE` when nobody can tell. */
export async function identify(resolver: PrincipalResolver, metadata: Metadata): Promise<Identity> {
  const credential = credentialOf(metadata);
  if (credential === undefined) {
    throw new AppError('UNAUTHORIZED', 'Missing x-api-key or authorization header');
  }
  // A ticket opens one stream of a browser; here it must not even be used up.
  const principal = isTicket(credential) ? null : await resolver.resolve(credential);
  if (principal === null) throw new AppError('UNAUTHORIZED', 'Invalid API key or token');
  return { principal, credential };
}

/** `x-api-key` first, then `authorization`, with or without the word `Bearer`. */
function credentialOf(metadata: Metadata): string | undefined {
  const key = text(metadata, 'x-api-key');
  if (key !== undefined) return key;
  return (
    text(metadata, 'authorization')
      ?.replace(/^bearer +/i, '')
      .trim() || undefined
  );
}

function text(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}
