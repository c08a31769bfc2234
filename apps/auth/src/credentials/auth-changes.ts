import { Injectable } from '@nestjs/common';
import { authChanged } from '@spooled/contracts';
import { Bus } from '@spooled/nats';

/**
 * Tells every service to drop what it remembers. Said after commit, and waited for before the caller is answered, so
 * that the next request meets the change. When nobody hears it, caches end by themselves.
 */
@Injectable()
export class AuthChanges {
  constructor(private readonly bus: Bus) {}

  async key(organizationId: string, apiKeyId: string): Promise<void> {
    this.bus.hint(authChanged, organizationId, { apiKeyId });
    await this.bus.flush();
  }

  async organization(organizationId: string): Promise<void> {
    this.bus.hint(authChanged, organizationId, { apiKeyId: null });
    await this.bus.flush();
  }

  async sessions(
    organizationId: string,
    ended: readonly { readonly sid: string; readonly api_key_id: string }[],
  ): Promise<void> {
    for (const { sid, api_key_id: apiKeyId } of ended) {
      this.bus.hint(authChanged, organizationId, { apiKeyId, sid });
    }
    await this.bus.flush();
  }
}
