import { z } from 'zod';
import { isErrorCode, type ErrorCode } from './errors.js';

/** A question one service answers over the bus. At most once: callers repeat only what is idempotent. */
export interface RpcSpec<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  readonly subject: string;
  readonly request: I;
  readonly response: O;
  /** Deadline of one call, in milliseconds. */
  readonly timeoutMs: number;
}

export function rpc<I extends z.ZodType, O extends z.ZodType>(spec: RpcSpec<I, O>): RpcSpec<I, O> {
  return spec;
}

/** A message that may be lost: a slow sweep or a short cache life covers for it. */
export interface HintSpec<P extends z.ZodType = z.ZodType> {
  /** Subject without its last token: the organization, or the sender of what concerns no single one. */
  readonly subject: string;
  readonly payload: P;
}

export function hint<P extends z.ZodType>(spec: HintSpec<P>): HintSpec<P> {
  return spec;
}

/** How an `AppError` crosses the bus. A newer release may have codes that this one does not know. */
export const rpcFailure = z.object({
  code: z.string().transform((code): ErrorCode => (isErrorCode(code) ? code : 'INTERNAL_ERROR')),
  message: z.string(),
  extra: z.record(z.string(), z.unknown()).optional(),
  retryAfterSecs: z.number().optional(),
});
