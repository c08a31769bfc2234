import type { Metadata } from '@grpc/grpc-js';
import type { GrpcSpec, Principal } from '@spooled/contracts';
import type { z } from 'zod';

/** What every handler gets of a call: who calls, and when it is over. */
export interface Caller {
  /** The credential's record; of a stream, as it is now: narrowed scopes show here at once. */
  readonly principal: Principal;
  readonly credential: string;
  readonly metadata: Metadata;
  /**
   * Aborts when the call is over for any reason: the client cancelled or went away, its deadline passed, the credential
   * lost its access, the server drains. What is returned afterwards is thrown away; the right status is sent anyway.
   */
  readonly signal: AbortSignal;
}

/** What the handler of a stream gets besides. */
interface StreamCaller extends Caller {
  /** Counts one more request against the caller's limits. @throws AppError `RATE_LIMIT_EXCEEDED` */
  admit(): void;
  /** Runs whenever the credential's record was looked at again and may have changed. */
  onAccess(run: () => void): void;
}

/** The sending end of a stream. */
export interface Outgoing<M> {
  /** Sends the response headers now, these among them; the first message does so otherwise. */
  open(headers?: Readonly<Record<string, string>>): void;
  /** Hands a message over, or its bytes when it is encoded already. */
  write(message: M | Buffer): void;
  /** Messages handed over and not yet passed on to the client: its window is full, or they are only just on the way. */
  readonly pending: number;
  /** Resolves when nothing is pending, or the call is over. */
  drained(): Promise<void>;
}

interface Unary<S extends GrpcSpec> extends Caller {
  readonly request: z.output<S['request']>;
}

interface ServerStream<S extends GrpcSpec> extends StreamCaller {
  readonly request: z.output<S['request']>;
  readonly stream: Outgoing<z.input<S['response']>>;
}

interface Bidi<S extends GrpcSpec> extends StreamCaller {
  /**
   * One by one as they are asked for; ends when the client half-closes or the call is over. A message that cannot be
   * decoded, or is not as the spec says, ends the call with `INVALID_ARGUMENT`.
   */
  readonly requests: AsyncIterable<z.output<S['request']>>;
  readonly stream: Outgoing<z.input<S['response']>>;
}

/** What the handler of a method gets, everything checked that its spec promises. */
export type CallOf<S extends GrpcSpec> = S['kind'] extends 'unary'
  ? Unary<S>
  : S['kind'] extends 'server-stream'
    ? ServerStream<S>
    : Bidi<S>;

/** What the handler of a method answers. A stream ends with OK when its handler is done, or with what it throws. */
export type AnswerOf<S extends GrpcSpec> = S['kind'] extends 'unary'
  ? z.input<S['response']> | Promise<z.input<S['response']>>
  : Promise<void>;
