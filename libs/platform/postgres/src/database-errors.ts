import { AppError } from '@spooled/contracts';

/** SQLSTATE of a write where there may be none, as on a standby. */
export const READ_ONLY = '25006';

/** SQLSTATE classes and codes that mean "not now": connection, resources, operator intervention, time-outs, a standby. */
const AWAY = /^(08|53|57P|25P03|25006|58)/;

/** The failure of a transaction as callers know it. */
export function translate(error: unknown): Error {
  if (error instanceof AppError) return error;
  const code = sqlState(error);
  if (code === undefined || AWAY.test(code))
    return isDriverError(error) ? unavailable(error) : (error as Error);
  if (code === '57014' || code === '55P03') return unavailable(error);
  return new AppError('DATABASE_ERROR', undefined, { cause: error });
}

/** The SQLSTATE of a Postgres error, also of one that `translate` wrapped. */
export function sqlState(error: unknown): string | undefined {
  const candidate = error instanceof AppError ? error.cause : error;
  const code = (candidate as { code?: unknown } | undefined)?.code;
  // Every SQLSTATE has a digit; EPIPE, which the socket reports, has none.
  return typeof code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

function isDriverError(error: unknown): boolean {
  if (sqlState(error) !== undefined) return true;
  const { code, message } = error as { code?: string; message?: string };
  return (
    /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOST|EAI_)/.test(code ?? '') ||
    /connection|terminat|timeout/i.test(message ?? '')
  );
}

export function unavailable(cause: unknown): AppError {
  return new AppError('SERVICE_UNAVAILABLE', 'The database is not available.', {
    retryAfterSecs: 1,
    cause,
  });
}
