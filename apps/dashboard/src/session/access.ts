import { AuthenticationError, SpooledError } from '@spooled/sdk';

import { Store } from '../live/store.js';
import { clientOf, Session } from './session.js';
import { forgetTokens, keepTokens, keptTokens, type Tokens } from './tokens.js';

export type Stage =
  | { readonly name: 'opening' }
  | { readonly name: 'signed-out'; readonly notice?: string }
  | { readonly name: 'unreachable'; readonly error: SpooledError; readonly tokens: Tokens }
  | { readonly name: 'signed-in'; readonly session: Session };

/** Who uses this tab: nobody, until tokens were found or given. */
export class Access {
  readonly stage = new Store<Stage>({ name: 'signed-out' });

  constructor() {
    const tokens = keptTokens();
    if (tokens !== undefined) void this.open(tokens);
  }

  async signIn(tokens: Tokens): Promise<void> {
    keepTokens(tokens);
    await this.open(tokens);
  }

  /** With tokens that are kept already. */
  async open(tokens: Tokens): Promise<void> {
    const client = clientOf(tokens);
    this.stage.set({ name: 'opening' });
    try {
      const identity = await client.auth.me();
      const session = new Session(client, identity, tokens, ({ message }) =>
        this.#leave(`You were signed out. ${message}`),
      );
      this.stage.set({ name: 'signed-in', session });
    } catch (error) {
      if (error instanceof AuthenticationError) this.#leave('Your session is over. Sign in again.');
      else if (error instanceof SpooledError)
        this.stage.set({ name: 'unreachable', error, tokens });
      else throw error;
    }
  }

  async signOut(): Promise<void> {
    const stage = this.stage.get();
    this.#leave();
    if (stage.name === 'signed-in') await stage.session.revoke();
  }

  #leave(notice?: string): void {
    const stage = this.stage.get();
    if (stage.name === 'signed-in') stage.session.close();
    forgetTokens();
    this.stage.set({ name: 'signed-out', ...(notice !== undefined && { notice }) });
  }
}
