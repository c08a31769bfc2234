/** Bytes of randomness in a key: 43 characters of base64url. */
export const KEY_SECRET_BYTES = 32;

/** What a production key's prefix ends with, and any other's. */
export function keyPrefix(setting: string, isProduction: boolean): string {
  return `${setting}${isProduction ? 'live' : 'test'}_`;
}

export function writeApiKey(prefix: string, secret: Uint8Array): string {
  if (secret.length !== KEY_SECRET_BYTES) throw new Error(`a key needs ${KEY_SECRET_BYTES} bytes`);
  return `${prefix}${Buffer.from(secret).toString('base64url')}`;
}

/**
 * Whether looking this text up can make sense. Any prefix is let through: keys outlive changes of API_KEY_PREFIX, and
 * the older `sk_live_` / `sk_test_` stay good.
 */
export function isKeyLike(text: string): boolean {
  return /^[A-Za-z0-9_-]{10,255}$/.test(text);
}

/** The queue names a scope allows, as a principal carries them: empty = every queue. */
export function scopeOf(queues: readonly string[]): string[] {
  return queues.includes('*') ? [] : [...queues];
}

/** Scope of a key that was asked for without one. */
export const EVERY_QUEUE: readonly string[] = ['*'];
