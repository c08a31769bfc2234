/** An idempotency key. `crypto.randomUUID` is missing on pages without TLS. */
export function newKey(): string {
  return `sdk-${hex(crypto.getRandomValues(new Uint8Array(16)))}`;
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
