import { Secret } from '@spooled/config';
import { isSameSecret } from '@spooled/http';
import { verify as verifyGithub } from '@octokit/webhooks-methods';
import Stripe from 'stripe';

/** How old a signature of Stripe may be. */
const TOLERANCE_SECS = 300;

export function isToken(given: unknown, token: string | null): boolean {
  return isSameSecret(given, token === null ? undefined : new Secret(token));
}

export async function isSignedByGithub(
  text: string,
  signature: unknown,
  secret: string | null,
): Promise<boolean> {
  if (secret === null || secret === '' || text === '') return false;
  return typeof signature === 'string' && signature !== '' && verifyGithub(secret, text, signature);
}

export function isSignedByStripe(text: string, header: unknown, secret: string | null): boolean {
  if (secret === null || secret === '' || typeof header !== 'string') return false;
  try {
    Stripe.webhooks.constructEvent(text, header, secret, TOLERANCE_SECS);
    return true;
  } catch (error) {
    if (error instanceof Stripe.errors.StripeSignatureVerificationError) return false;
    // It is signed; that it is no JSON is for whoever reads it to say.
    if (error instanceof SyntaxError) return true;
    throw error;
  }
}
