import type { Metadata } from '@grpc/grpc-js';

/** What the client sent as W3C trace context, unchecked; null when nothing. */
export function sentTraceparent(metadata: Metadata): string | null {
  const [value] = metadata.get('traceparent');
  return typeof value === 'string' ? value : null;
}
