import { Injectable, type OnModuleInit } from '@nestjs/common';
import { jobsRpc } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { OrganizationRepository } from './store/organization.repository.js';

/** Edge, bus: what the service of organizations asks and commands. */
@Injectable()
export class OrganizationsResponder implements OnModuleInit {
  constructor(
    private readonly bus: Bus,
    private readonly organizations: OrganizationRepository,
  ) {}

  onModuleInit(): void {
    this.bus.respond(jobsRpc.usages, async ({ organizationIds }) => ({
      organizations: await this.organizations.usages(organizationIds),
    }));
    this.bus.respond(jobsRpc.platform, async () => {
      const { completed_24h, failed_24h, ...counts } = await this.organizations.platform();
      return { ...counts, completed24h: completed_24h, failed24h: failed_24h };
    });
    this.bus.respond(jobsRpc.resetUsage, async ({ organizationId, actor }) => {
      await this.organizations.resetUsage(organizationId, actor);
      return {};
    });
    this.bus.respond(jobsRpc.forgetOrganization, async ({ organizationId }) => ({
      isDone: await this.organizations.forget(organizationId),
    }));
  }
}
