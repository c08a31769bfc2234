import type { Metadata, ServerUnaryCall } from '@grpc/grpc-js';
import type { Principal } from '@spooled/contracts';
import type { Identity } from './credentials.js';

/** A unary call, as its handler sees it. */
export class UnaryCall {
  readonly principal: Principal;
  readonly credential: string;
  readonly request: unknown;
  readonly #call: ServerUnaryCall<unknown, unknown>;
  #abort: AbortController | undefined;

  constructor(
    call: ServerUnaryCall<unknown, unknown>,
    { principal, credential }: Identity,
    request: unknown,
  ) {
    this.#call = call;
    this.principal = principal;
    this.credential = credential;
    this.request = request;
  }

  get metadata(): Metadata {
    return this.#call.metadata;
  }

  /** Made on first use: most handlers are done before a client could go away. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      if (this.#call.cancelled) abort.abort();
      else this.#call.once('cancelled', () => abort.abort());
    }
    return this.#abort.signal;
  }
}
