import { SpooledClient, type Answer, type AuthenticationError } from '@spooled/sdk';

import { Activity } from '../live/activity.js';
import { LiveFeed } from '../live/live-feed.js';
import { Resources } from '../live/resources.js';
import type { Tokens } from './tokens.js';

export type Identity = Answer<'auth', 'me'>;

/** Somebody who is signed in, and everything that is read on their behalf. */
export class Session {
  readonly feed: LiveFeed;
  readonly resources: Resources;
  readonly activity: Activity;

  constructor(
    readonly client: SpooledClient,
    readonly identity: Identity,
    private readonly tokens: Tokens,
    onRefused: (error: AuthenticationError) => void,
  ) {
    this.feed = new LiveFeed(client, onRefused);
    this.resources = new Resources(client, this.feed);
    this.activity = new Activity(this.feed);
  }

  /** Whether the key may use every queue; only then may it see webhooks, keys, usage and the audit trail. */
  get isUnrestricted(): boolean {
    const { queues } = this.identity;
    return queues.length === 0 || queues.includes('*');
  }

  canUseQueue(queueName: string): boolean {
    return this.isUnrestricted || this.identity.queues.includes(queueName);
  }

  /** Ends what runs in this tab. */
  close(): void {
    this.feed.close();
    this.resources.close();
    this.activity.close();
  }

  /** Tells the server that the tokens are not to be good any more. They run out by themselves should it not answer. */
  async revoke(): Promise<void> {
    const { refreshToken } = this.tokens;
    await this.client.auth.logout({ refreshToken }).catch(() => undefined);
  }
}

export function clientOf(tokens: Tokens): SpooledClient {
  return new SpooledClient({ baseUrl: location.origin, ...tokens });
}
