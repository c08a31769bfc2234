import { Injectable, type OnModuleInit } from '@nestjs/common';
import { authRpc } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { OrganizationsService } from '../organizations/organizations.service.js';
import { CredentialsService } from './credentials.service.js';

/** Edge, bus: answers what the other services ask about callers and organizations. */
@Injectable()
export class CredentialsResponder implements OnModuleInit {
  constructor(
    private readonly bus: Bus,
    private readonly credentials: CredentialsService,
    private readonly organizations: OrganizationsService,
  ) {}

  onModuleInit(): void {
    this.bus.respond(authRpc.resolve, async ({ credential }) => ({
      principal: await this.credentials.resolve(credential),
    }));
    this.bus.respond(authRpc.check, async ({ organizationId, apiKeyId, token }) => ({
      principal: await this.credentials.check(organizationId, apiKeyId, token),
    }));
    this.bus.respond(authRpc.plans, async ({ organizationIds }) => ({
      organizations: await this.organizations.plans(organizationIds),
    }));
    this.bus.respond(authRpc.ingestion, async ({ organizationId }) => ({
      organization: await this.organizations.ingestion(organizationId),
    }));
  }
}
