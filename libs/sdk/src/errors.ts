import { toCamelCase } from './camel-case.js';
import type { ErrorCode, FieldProblem } from './routes.js';

/** The server's codes, and those of a call that got no answer. A newer server may know more. */
export type SpooledErrorCode =
  ErrorCode | 'NETWORK_ERROR' | 'TIMEOUT' | 'UNKNOWN_ERROR' | (string & {});

export interface SpooledErrorFacts {
  readonly code: SpooledErrorCode;
  /** HTTP status; 0 when there was no answer. */
  readonly status?: number;
  readonly retryable?: boolean;
  readonly requestId?: string;
  readonly retryAfterMs?: number;
  readonly details?: readonly FieldProblem[];
  readonly extra?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Whatever goes wrong in this library, except a call that its caller aborts: that rejects with the signal's reason. */
export class SpooledError extends Error {
  // Written out, because a minifier renames classes.
  override readonly name: string = 'SpooledError';
  readonly code: SpooledErrorCode;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** True when the same call may succeed later. */
  readonly retryable: boolean;
  /** To be given to whoever runs the server. */
  readonly requestId: string | undefined;
  /** How long the server wants to be left alone. */
  readonly retryAfterMs: number | undefined;
  /** The refused fields of a request. */
  readonly details: readonly FieldProblem[] | undefined;
  /** Further facts of the answer, such as `resource`, `current` and `limit` of a quota. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(message: string, facts: SpooledErrorFacts) {
    super(message, { cause: facts.cause });
    this.code = facts.code;
    this.status = facts.status ?? 0;
    this.retryable = facts.retryable ?? false;
    this.requestId = facts.requestId;
    this.retryAfterMs = facts.retryAfterMs;
    this.details = facts.details;
    this.extra = facts.extra ?? {};
  }
}

/** 400: the request is wrong; `details` says where. */
export class ValidationError extends SpooledError {
  override readonly name: string = 'ValidationError';
}
/** 401: the credential is missing, wrong, expired or revoked. */
export class AuthenticationError extends SpooledError {
  override readonly name: string = 'AuthenticationError';
}
/** 403: the credential or the plan does not allow this. */
export class AuthorizationError extends SpooledError {
  override readonly name: string = 'AuthorizationError';
}
/** 404 */
export class NotFoundError extends SpooledError {
  override readonly name: string = 'NotFoundError';
}
/** 409: the current state does not allow this; `LEASE_EXPIRED` when the job is no longer the caller's. */
export class ConflictError extends SpooledError {
  override readonly name: string = 'ConflictError';
}
/** 413 */
export class PayloadTooLargeError extends SpooledError {
  override readonly name: string = 'PayloadTooLargeError';
}
/** 429: too many requests, or `QUOTA_EXCEEDED`, which waiting does not help. */
export class RateLimitError extends SpooledError {
  override readonly name: string = 'RateLimitError';
}
/** 5xx */
export class ServerError extends SpooledError {
  override readonly name: string = 'ServerError';
}
/** No answer came. */
export class NetworkError extends SpooledError {
  override readonly name: string = 'NetworkError';

  constructor(message: string, cause?: unknown) {
    super(message, { code: 'NETWORK_ERROR', retryable: true, cause });
  }
}
/** No answer came in time. */
export class TimeoutError extends SpooledError {
  override readonly name: string = 'TimeoutError';

  constructor(readonly timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`, { code: 'TIMEOUT', retryable: true });
  }
}

type Answered = new (message: string, facts: SpooledErrorFacts) => SpooledError;
const classes: Readonly<Record<number, Answered>> = {
  400: ValidationError,
  401: AuthenticationError,
  403: AuthorizationError,
  404: NotFoundError,
  409: ConflictError,
  413: PayloadTooLargeError,
  429: RateLimitError,
};

/** The error that an answer stands for. Reads its body. */
export async function errorOf(response: Response): Promise<SpooledError> {
  const { status, headers } = response;
  const text = await response.text().catch(() => '');
  const { code, message, error, details, ...extra } = asObject(text);
  const retryAfterSecs = Number(headers.get('retry-after') ?? NaN);
  const Class = classes[status] ?? (status >= 500 ? ServerError : SpooledError);
  return new Class(firstText(message, error, text.slice(0, 200), `HTTP ${status}`), {
    code: firstText(code, 'UNKNOWN_ERROR'),
    status,
    retryable: isRetryable(status, code),
    requestId: headers.get('x-request-id') ?? undefined,
    retryAfterMs: Number.isFinite(retryAfterSecs) ? retryAfterSecs * 1000 : undefined,
    details: Array.isArray(details) ? (details as FieldProblem[]) : undefined,
    extra: toCamelCase(extra) as Record<string, unknown>,
  });
}

/** The error that the end of a stream stands for. */
export function errorOfCode(code: string, message: string): SpooledError {
  const Class =
    code === 'UNAUTHORIZED'
      ? AuthenticationError
      : code === 'ACCESS_DENIED'
        ? AuthorizationError
        : SpooledError;
  return new Class(message, { code });
}

/** A quota is refused with 429 too, but is still reached when asked again. */
function isRetryable(status: number, code: unknown): boolean {
  if (code === 'QUOTA_EXCEEDED' || code === 'CONFIGURATION_ERROR') return false;
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

function asObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function firstText(...candidates: unknown[]): string {
  const isText = (each: unknown): each is string => typeof each === 'string' && each !== '';
  return candidates.find(isText) ?? '';
}
