import { Metadata, type ServerDuplexStream, type ServerWritableStream } from '@grpc/grpc-js';
import type { Watched } from '@spooled/access';
import { AppError, errorCatalogue, type Principal } from '@spooled/contracts';
import { constants, type Http2Stream } from 'node:http2';
import type { Outgoing } from './call.js';
import type { Identity } from './credentials.js';
import { statusOf } from './status.js';

type RawStream = ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>;

/** A stream that is open: its handler's view of the call, and what the server does to it. */
export class StreamCall implements Watched, Outgoing<unknown> {
  readonly credential: string;
  /** Of a server stream. Set, like `requests`, before the handler runs. */
  request: unknown;
  /** Of a bidi stream. */
  requests: AsyncIterable<unknown> | undefined;
  #principal: Principal;
  readonly #raw: RawStream;
  readonly #admit: (principal: Principal) => void;
  readonly #abort = new AbortController();
  readonly #onAccess: (() => void)[] = [];
  readonly #onDrained: (() => void)[] = [];
  #isOpen = false;
  #endedWith: string | undefined;
  #pending = 0;

  constructor(raw: RawStream, identity: Identity, admit: (principal: Principal) => void) {
    this.#raw = raw;
    this.#principal = identity.principal;
    this.credential = identity.credential;
    this.#admit = admit;
    raw.once('cancelled', () => this.#over());
    // A write that came too late, or a connection that broke: the call is over either way.
    raw.on('error', () => this.#over());
    if (raw.cancelled) this.#over();
  }

  get principal(): Principal {
    return this.#principal;
  }

  get metadata(): Metadata {
    return this.#raw.metadata;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Handlers know the sending end by a name of its own. */
  get stream(): Outgoing<unknown> {
    return this;
  }

  get pending(): number {
    return this.#pending;
  }

  /** The status we ended it with, if we did before its handler was done. */
  get endedWith(): string | undefined {
    return this.#endedWith;
  }

  admit(): void {
    this.#admit(this.#principal);
  }

  onAccess(run: () => void): void {
    this.#onAccess.push(run);
  }

  open(headers: Readonly<Record<string, string>> = {}): void {
    if (this.#isOpen || this.signal.aborted) return;
    this.#isOpen = true;
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    this.#raw.sendMetadata(metadata);
  }

  write(message: unknown): void {
    if (this.signal.aborted) return;
    this.#isOpen = true;
    this.#pending += 1;
    this.#raw.write(message, () => {
      this.#pending -= 1;
      if (this.#pending === 0) this.#drain();
    });
  }

  async drained(): Promise<void> {
    if (this.#pending === 0 || this.signal.aborted) return;
    await new Promise<void>((resolve) => this.#onDrained.push(resolve));
  }

  applyAccess(principal: Principal): void {
    this.#principal = principal;
    for (const run of this.#onAccess) run();
  }

  revoke(): void {
    this.end(new AppError('UNAUTHORIZED', 'The credential is not valid any more.'));
  }

  /** Ends the call, with OK unless an error is given. What is pending is sent before. */
  end(error?: AppError): void {
    if (this.signal.aborted) return;
    if (error === undefined) {
      this.#endedWith = 'OK';
      this.#raw.end();
    } else {
      this.#endedWith = errorCatalogue[error.code].grpc;
      this.#raw.emit('error', statusOf(error));
    }
    this.#over();
  }

  /**
   * Resets the stream of a client that does not read, and so never takes its end. grpc-js has no way to do that but to
   * close the connection, which other calls may use.
   */
  destroy(): void {
    this.#over();
    const { stream } = (this.#raw as unknown as { readonly call: { readonly stream: Http2Stream } })
      .call;
    if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
  }

  #over(): void {
    if (this.signal.aborted) return;
    this.#abort.abort();
    this.#drain();
  }

  #drain(): void {
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }
}
