import { parseJson } from '@spooled/contracts';
import { SpooledClient } from '@spooled/sdk';

import { CliError, exitCodes } from './exit-code.js';
import type { Account } from './profiles/account.js';

export interface Answer<T> {
  /** As the client gives it. */
  readonly value: T;
  /** As the server wrote it, every digit of every number kept; undefined when it wrote nothing. */
  readonly body: unknown;
}

/** The client of one account. */
export class Api {
  readonly client: SpooledClient;
  private lastBody: unknown;

  /** @throws CliError when there is no key. */
  constructor(account: Account) {
    if (account.apiKey === undefined) {
      throw new CliError(
        `Not signed in to ${account.url}: run \`spooled login\`, or set SPOOLED_API_KEY.`,
        exitCodes.auth,
        'NOT_SIGNED_IN',
      );
    }
    this.client = new SpooledClient({
      baseUrl: account.url,
      apiKey: account.apiKey,
      // Somebody waits at a terminal.
      retry: { maxRetries: 2, baseDelayMs: 250 },
      parseJson: (text) => (this.lastBody = parseJson(text)),
    });
  }

  /** One call at a time: the body is that of the newest answer. */
  async ask<T>(call: (client: SpooledClient) => Promise<T>): Promise<Answer<T>> {
    this.lastBody = undefined;
    const value = await call(this.client);
    return { value, body: this.lastBody };
  }
}
