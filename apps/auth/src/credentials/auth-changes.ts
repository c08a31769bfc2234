import { Injectable } from '@nestjs/common';
import { authChanged } from '@spooled/contracts';
import { Bus } from '@spooled/nats';

/** Tells every service to drop what it remembers. Said after commit; when nobody hears it, caches end by themselves. */
@Injectable()
export class AuthChanges {
  constructor(private readonly bus: Bus) {}

  key(organizationId: string, apiKeyId: string): void {
    this.bus.hint(authChanged, organizationId, { apiKeyId });
  }

  organization(organizationId: string): void {
    this.bus.hint(authChanged, organizationId, { apiKeyId: null });
  }

  session(organizationId: string, apiKeyId: string, sid: string): void {
    this.bus.hint(authChanged, organizationId, { apiKeyId, sid });
  }
}
