import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP } from 'node:net';
import { Agent, request, type Dispatcher } from 'undici';
import { isLoopbackAddress, isPublicAddress } from './address.js';
import { nameResolver, type ResolveName } from './resolve-name.js';
import { isLocalHttp, urlProblem, type OutboundRules } from './url-problem.js';

export interface OutboundOptions extends OutboundRules {
  readonly resolve?: ResolveName;
  /** Until a connection stands, TLS included. @default 5000 */
  readonly connectTimeoutMs?: number;
  /** For everything together. @default 10_000 */
  readonly totalTimeoutMs?: number;
  /** Of an answer; the rest is not read. @default 4096 */
  readonly maxBodyBytes?: number;
}

export interface OutboundRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface OutboundAnswer {
  readonly status: number;
  /** As far as it was read. */
  readonly body: string;
}

/** Why there is no answer, in a sentence that may be shown to whoever gave the URL. */
export class OutboundError extends Error {
  override readonly name = 'OutboundError';
}

type Callback = (error: Error | null, addresses: LookupAddress[] | string, family?: number) => void;

/**
 * The only way out to addresses that customers give. The address is checked after the name was resolved, and that very
 * address is connected to; redirects are not followed; time and size are bounded. Connections are kept for reuse.
 */
export class OutboundHttp {
  readonly #options: Required<OutboundOptions>;
  /** Connections to the internet, and (development only) to this machine: each refuses the addresses of the other. */
  readonly #internet: Agent;
  readonly #local: Agent;

  constructor(options: OutboundOptions) {
    this.#options = {
      resolve: nameResolver(),
      connectTimeoutMs: 5000,
      totalTimeoutMs: 10_000,
      maxBodyBytes: 4096,
      ...options,
    };
    this.#internet = this.#agent(isPublicAddress);
    this.#local = this.#agent(isLoopbackAddress);
  }

  /**
   * Why nothing may be sent to a URL, also by what its name resolves to now; `null` when nothing is wrong. A name that
   * cannot be resolved now is no problem: it is resolved, and checked, again before each connection.
   */
  async problemOf(text: string): Promise<string | null> {
    const problem = urlProblem(text, this.#options);
    if (problem !== null) return problem;
    const url = new URL(text);
    if (isLocalHttp(url) || isLiteral(url.hostname)) return null;
    const addresses = await this.#options.resolve(url.hostname).catch(() => []);
    return addresses.every(isPublicAddress)
      ? null
      : 'the name leads to an address that is not allowed';
  }

  /** @throws OutboundError when no answer comes, for whatever reason */
  async post({ url: text, headers, body }: OutboundRequest): Promise<OutboundAnswer> {
    const problem = urlProblem(text, this.#options);
    if (problem !== null) throw new OutboundError(problem);
    const url = new URL(text);
    const signal = AbortSignal.timeout(this.#options.totalTimeoutMs);
    try {
      const dispatcher = isLocalHttp(url) ? this.#local : this.#internet;
      const answer = await request(url, { method: 'POST', headers, body, dispatcher, signal });
      return { status: answer.statusCode, body: await this.#read(answer.body) };
    } catch (error) {
      throw new OutboundError(this.#reason(error), { cause: error });
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#internet.destroy(), this.#local.destroy()]);
  }

  #agent(isAllowed: (address: string) => boolean): Agent {
    const { connectTimeoutMs, totalTimeoutMs } = this.#options;
    return new Agent({
      connect: {
        timeout: connectTimeoutMs,
        lookup: (name: string, options: LookupOptions, callback: Callback) => {
          this.#lookup(name, isAllowed).then(
            (found) => {
              if (options.all === true) callback(null, found);
              else callback(null, found[0]!.address, found[0]!.family);
            },
            (error: unknown) => callback(error as Error, []),
          );
        },
      },
      headersTimeout: totalTimeoutMs,
      bodyTimeout: totalTimeoutMs,
    });
  }

  /** One forbidden address among others is one too many: which of them is connected to is not ours to choose. */
  async #lookup(name: string, isAllowed: (address: string) => boolean): Promise<LookupAddress[]> {
    const addresses = await this.#options.resolve(name).catch((error: unknown) => {
      throw new OutboundError('the name cannot be resolved', { cause: error });
    });
    if (addresses.length === 0 || !addresses.every(isAllowed)) {
      throw new OutboundError('the name leads to an address that is not allowed');
    }
    return addresses.map((address) => ({ address, family: isIP(address) }));
  }

  /** The status has come, so whatever happens to the body is no failure of the request any more. */
  async #read(body: Dispatcher.ResponseData['body']): Promise<string> {
    const { maxBodyBytes } = this.#options;
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        bytes += chunk.length;
        // Leaving the loop ends the connection, with all that would still come.
        if (bytes >= maxBodyBytes) break;
      }
    } catch {
      // Cut off by the receiver or by our limit of time.
    }
    return Buffer.concat(chunks).subarray(0, maxBodyBytes).toString('utf8');
  }

  #reason(error: unknown): string {
    const { connectTimeoutMs, totalTimeoutMs } = this.#options;
    for (let cause = error; isError(cause); cause = cause.cause) {
      const { code } = cause;
      if (cause instanceof OutboundError) return cause.message;
      if (cause.name === 'TimeoutError') return `no answer within ${totalTimeoutMs / 1000} s`;
      if (code === 'UND_ERR_CONNECT_TIMEOUT') {
        return `no connection within ${connectTimeoutMs / 1000} s`;
      }
      if (code === 'ECONNREFUSED') return 'the connection was refused';
      if (typeof code === 'string') return `the request failed (${code})`;
    }
    return 'the request failed';
  }
}

function isLiteral(hostname: string): boolean {
  return hostname.startsWith('[') || isIP(hostname) !== 0;
}

function isError(value: unknown): value is Error & { readonly code?: unknown } {
  return typeof value === 'object' && value !== null && 'message' in value;
}
