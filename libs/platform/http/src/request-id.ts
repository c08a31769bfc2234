import { randomUUID } from 'node:crypto';

/** The id a client gave its request, when it can be printed; a new one otherwise. */
export function requestId({ headers }: { headers: Readonly<Record<string, unknown>> }): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID();
}
