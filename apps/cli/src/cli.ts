/** What every command is given. */
import type { CallOptions, SpooledClient } from '@spooled/sdk';

import { Api } from './api.js';
import type { Environment } from './environment.js';
import { Output } from './output/output.js';
import type { Page } from './output/table.js';
import { resolveAccount, type Account, type AccountOptions } from './profiles/account.js';
import { ProfileStore } from './profiles/profile-store.js';

/** Options that every command takes. */
export interface CommonOptions extends AccountOptions {
  readonly json?: boolean;
}

export class Cli {
  readonly profiles: ProfileStore;
  private made: { output?: Output; account?: Account; api?: Api } = {};

  constructor(
    readonly environment: Environment,
    /** Aborts when the user has had enough. */
    readonly signal: AbortSignal,
    /** Known once the arguments are parsed. */
    readonly options: () => CommonOptions,
  ) {
    this.profiles = new ProfileStore(environment.configFile);
  }

  get output(): Output {
    return (this.made.output ??= new Output({
      isJson: this.options().json === true,
      allowsColor: this.environment.allowsColor,
    }));
  }

  get account(): Account {
    return (this.made.account ??= resolveAccount(this.options(), this.environment, this.profiles));
  }

  get api(): Api {
    return (this.made.api ??= new Api(this.account));
  }

  get client(): SpooledClient {
    return this.api.client;
  }

  /** One call and its answer: the document of the server, or text. `instead` stands for an answer without a body. */
  async show<T>(
    call: (client: SpooledClient, options: CallOptions) => Promise<T>,
    text: (value: T, page: Page) => string,
    instead: object = { ok: true },
  ): Promise<void> {
    const { value, body } = await this.api.ask((client) => call(client, { signal: this.signal }));
    await this.output.result(body ?? instead, (page) => text(value, page));
  }
}
