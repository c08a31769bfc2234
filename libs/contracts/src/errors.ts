/** One line of the catalogue: how an error code looks on each transport and whether trying again can help. */
export interface ErrorDefinition {
  readonly status: number;
  /** Name of the gRPC status code. */
  readonly grpc: string;
  /** True when the same request may succeed later without being changed. */
  readonly retryable: boolean;
  readonly sentence: string;
}

/** Every error code a client can see. `docs/errors.md` is kept equal to this by a test. */
export const errorCatalogue = {
  BAD_REQUEST: define(400, 'INVALID_ARGUMENT', false, 'The request is not acceptable as sent.'),
  VALIDATION_ERROR: define(400, 'INVALID_ARGUMENT', false, 'A field is missing or out of range.'),
  INVALID_JSON: define(400, 'INVALID_ARGUMENT', false, 'The body is not valid JSON.'),
  INVALID_COMMAND: define(400, 'INVALID_ARGUMENT', false, 'The WebSocket command is not known.'),
  UNAUTHORIZED: define(401, 'UNAUTHENTICATED', false, 'The credential is missing or not valid.'),
  AUTHENTICATION_FAILED: define(401, 'UNAUTHENTICATED', false, 'The login was refused.'),
  ACCESS_DENIED: define(403, 'PERMISSION_DENIED', false, 'The credential does not allow this.'),
  FEATURE_DISABLED: define(403, 'PERMISSION_DENIED', false, 'The plan does not include this.'),
  NOT_FOUND: define(404, 'NOT_FOUND', false, 'There is no such thing in this organization.'),
  METHOD_NOT_ALLOWED: define(405, 'UNIMPLEMENTED', false, 'The path does not take this method.'),
  REQUEST_TIMEOUT: define(408, 'DEADLINE_EXCEEDED', true, 'The request took too long.'),
  CONFLICT: define(409, 'FAILED_PRECONDITION', false, 'The current state does not allow this.'),
  LEASE_EXPIRED: define(409, 'FAILED_PRECONDITION', false, 'The lease is over or superseded.'),
  CURSOR_EXPIRED: define(410, 'OUT_OF_RANGE', false, 'The cursor is older than the event log.'),
  PAYLOAD_TOO_LARGE: define(413, 'RESOURCE_EXHAUSTED', false, 'The body exceeds a size limit.'),
  UNSUPPORTED_MEDIA_TYPE: define(415, 'INVALID_ARGUMENT', false, 'The body must be JSON.'),
  RATE_LIMIT_EXCEEDED: define(429, 'RESOURCE_EXHAUSTED', true, 'Too many requests; wait a little.'),
  QUOTA_EXCEEDED: define(429, 'RESOURCE_EXHAUSTED', false, 'A limit of the plan is reached.'),
  INTERNAL_ERROR: define(500, 'INTERNAL', true, 'Something went wrong on our side.'),
  DATABASE_ERROR: define(500, 'INTERNAL', true, 'The database refused a statement.'),
  CACHE_ERROR: define(500, 'INTERNAL', true, 'A cache refused an operation.'),
  CONFIGURATION_ERROR: define(500, 'INTERNAL', false, 'The server is configured wrongly.'),
  SERVICE_UNAVAILABLE: define(503, 'UNAVAILABLE', true, 'A part we need is away; try again.'),
} as const satisfies Record<string, ErrorDefinition>;

export type ErrorCode = keyof typeof errorCatalogue;

/** One refused field of a request. */
export interface FieldProblem {
  readonly field: string;
  readonly message: string;
  readonly code: string;
}

export interface AppErrorOptions {
  readonly details?: readonly FieldProblem[];
  /** Further keys of the JSON error body, such as `resource` and `limit` of a quota error. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Whole seconds for the `Retry-After` header. */
  readonly retryAfterSecs?: number;
  readonly cause?: unknown;
}

/** The one error that domain code and services throw; only edges translate it to a transport. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: readonly FieldProblem[] | undefined;
  readonly extra: Readonly<Record<string, unknown>> | undefined;
  readonly retryAfterSecs: number | undefined;

  constructor(code: ErrorCode, message?: string, options: AppErrorOptions = {}) {
    super(message ?? errorCatalogue[code].sentence, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.details = options.details;
    this.extra = options.extra;
    this.retryAfterSecs = options.retryAfterSecs;
  }

  /** Shorthand for a refused field. */
  static invalid(field: string, message: string, code = 'invalid'): AppError {
    return new AppError('VALIDATION_ERROR', `${field}: ${message}`, {
      details: [{ field, message, code }],
    });
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorCatalogue, value);
}

function define(
  status: number,
  grpc: string,
  retryable: boolean,
  sentence: string,
): ErrorDefinition {
  return { status, grpc, retryable, sentence };
}
