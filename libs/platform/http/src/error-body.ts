import {
  AppError,
  errorCatalogue,
  isErrorCode,
  type ErrorCode,
  type FieldProblem,
} from '@spooled/contracts';
import type { z } from 'zod';

/** What any thrown thing looks like to a client: a status, headers, and the JSON error body. */
export interface ErrorReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
}

export function errorReply(error: unknown): ErrorReply {
  const known = toAppError(error);
  const { status } = errorCatalogue[known.code];
  const headers: Record<string, string> = {};
  const retryAfter = known.retryAfterSecs ?? (status === 503 ? 1 : undefined);
  if (retryAfter !== undefined) headers['retry-after'] = String(retryAfter);
  if (status === 401) headers['www-authenticate'] = 'Bearer';
  return {
    status,
    headers,
    body: {
      code: known.code,
      error: known.code === 'VALIDATION_ERROR' ? 'Validation failed' : known.code.toLowerCase(),
      message: known.message,
      ...(known.details === undefined ? {} : { details: known.details }),
      ...known.extra,
    },
  };
}

/** Fastify's own refusals, by its code or status. */
const FASTIFY_CODES: Readonly<Record<string, () => AppError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => new AppError('PAYLOAD_TOO_LARGE'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => new AppError('UNSUPPORTED_MEDIA_TYPE'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new AppError('BAD_REQUEST', 'The body is not as long as Content-Length says.'),
  FST_ERR_BAD_URL: () => new AppError('NOT_FOUND', 'There is no such route.'),
};

/** What is no error of ours is a bug: `INTERNAL_ERROR`. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const { code, statusCode } = (error ?? {}) as { code?: string; statusCode?: number };
  const known = FASTIFY_CODES[code ?? ''];
  if (known !== undefined) return known();
  if (isErrorCode(code)) return new AppError(code, undefined, { cause: error });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new AppError('BAD_REQUEST', undefined, { cause: error });
  }
  return new AppError('INTERNAL_ERROR', undefined, { cause: error });
}

/** Whether this is our fault and must be seen by a human. */
export function isServerFault(error: unknown): boolean {
  const { code } = toAppError(error);
  return errorCatalogue[code].status >= 500 && code !== 'SERVICE_UNAVAILABLE';
}

/** Parses a part of a request. @throws AppError with `code`, naming each refused field. */
export function parsePart<S extends z.ZodType>(
  schema: S,
  value: unknown,
  code: ErrorCode = 'VALIDATION_ERROR',
): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const details = parsed.error.issues.map(toProblem);
  const [first] = details as [FieldProblem];
  throw new AppError(code, `${first.field}: ${first.message}`, { details });
}

function toProblem(issue: z.core.$ZodIssue): FieldProblem {
  return {
    field: issue.path.map(String).join('.') || 'body',
    message: issue.message,
    code: issue.code,
  };
}
