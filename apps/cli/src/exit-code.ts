/** How the command ends, for scripts: a promise, listed in README and `--help`. */
import { SpooledError } from '@spooled/sdk';

export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  auth: 3,
  notFound: 4,
  conflict: 5,
  limit: 6,
  unreachable: 7,
  jobFailed: 8,
  timeLimit: 9,
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeMeanings: readonly (readonly [ExitCode, string])[] = [
  [exitCodes.ok, 'done'],
  [exitCodes.failure, 'something failed that has no code of its own'],
  [exitCodes.usage, 'wrong arguments, also those that the server refuses'],
  [exitCodes.auth, 'not signed in, or not allowed'],
  [exitCodes.notFound, 'there is no such thing'],
  [exitCodes.conflict, 'its present state does not allow this'],
  [exitCodes.limit, 'too many requests, or a limit of the plan'],
  [exitCodes.unreachable, 'the server cannot be reached or cannot work now'],
  [exitCodes.jobFailed, '`jobs wait`: the job ended without completing'],
  [exitCodes.timeLimit, '`jobs wait --timeout`: the job has not ended in time'],
  [exitCodes.interrupted, 'interrupted by Ctrl-C'],
];

/** Ends the command with a sentence. */
export class CliError extends Error {
  constructor(
    message: string,
    readonly exitCode: ExitCode = exitCodes.failure,
    readonly code: string = 'CLI_ERROR',
  ) {
    super(message);
  }
}

export function usageError(message: string): CliError {
  return new CliError(message, exitCodes.usage, 'USAGE');
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CliError) return error.exitCode;
  if (!(error instanceof SpooledError)) return exitCodes.failure;
  if (error.code === 'NETWORK_ERROR' || error.code === 'TIMEOUT') return exitCodes.unreachable;
  if (error.code === 'UNAUTHORIZED' || error.code === 'ACCESS_DENIED') return exitCodes.auth;
  if (error.code === 'VALIDATION_ERROR') return exitCodes.usage;
  return byStatus[error.status] ?? exitCodes.failure;
}

const byStatus: Readonly<Record<number, ExitCode>> = {
  400: exitCodes.usage,
  401: exitCodes.auth,
  403: exitCodes.auth,
  404: exitCodes.notFound,
  408: exitCodes.unreachable,
  409: exitCodes.conflict,
  413: exitCodes.usage,
  429: exitCodes.limit,
  502: exitCodes.unreachable,
  503: exitCodes.unreachable,
  504: exitCodes.unreachable,
};
