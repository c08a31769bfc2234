import { Metadata, status, type StatusObject } from '@grpc/grpc-js';
import { errorCatalogue, type AppError } from '@spooled/contracts';

/** How an error ends a call. Whoever may come back later is told when. */
export function statusOf({ code, message, retryAfterSecs }: AppError): StatusObject {
  const metadata = new Metadata();
  const { grpc, retryable } = errorCatalogue[code];
  if (retryable && (grpc === 'RESOURCE_EXHAUSTED' || grpc === 'UNAVAILABLE')) {
    metadata.set('retry-after', String(retryAfterSecs ?? 1));
  }
  // It travels percent-encoded, which half a surrogate pair cannot be.
  return { code: status[grpc as keyof typeof status], details: message.toWellFormed(), metadata };
}
