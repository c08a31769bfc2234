import { NoRespondersError, RequestError } from '@nats-io/transport-node';
import { AppError } from '@spooled/contracts';

/** Whether a question failed because the bus is there and no instance of the asked service is. */
export function isUnserved(error: unknown): boolean {
  if (!(error instanceof AppError)) return false;
  const { cause } = error;
  return (
    cause instanceof NoRespondersError || (cause instanceof RequestError && cause.isNoResponders())
  );
}
