import { Injectable } from '@nestjs/common';
import { adminActor } from '@spooled/audit';
import { adminApi, plans } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { KeysService } from '../keys/keys.service.js';
import { OrganizationsService } from '../organizations/organizations.service.js';
import { RemovalService } from '../organizations/removal.service.js';
import { AdminService } from './admin.service.js';

/** Edge: the administrator of the platform. */
@Injectable()
export class AdminController {
  constructor(
    private readonly admin: AdminService,
    private readonly organizations: OrganizationsService,
    private readonly removals: RemovalService,
    private readonly keys: KeysService,
  ) {}

  @Route(adminApi.listOrganizations)
  listOrganizations({ query }: RequestOf<typeof adminApi.listOrganizations>) {
    return this.admin.list(query);
  }

  @Route(adminApi.createOrganization)
  createOrganization({ body }: RequestOf<typeof adminApi.createOrganization>) {
    return this.organizations.create(body, body.plan_tier ?? 'free', adminActor);
  }

  @Route(adminApi.getOrganization)
  getOrganization({ params }: RequestOf<typeof adminApi.getOrganization>) {
    return this.admin.get(params.id);
  }

  @Route(adminApi.updateOrganization)
  updateOrganization({ params, body }: RequestOf<typeof adminApi.updateOrganization>) {
    return this.organizations.update(params.id, body, adminActor);
  }

  @Route(adminApi.deleteOrganization)
  deleteOrganization({ params, query }: RequestOf<typeof adminApi.deleteOrganization>) {
    return query.hard_delete
      ? this.removals.remove(params.id, adminActor)
      : this.removals.removeSoftly(params.id, adminActor);
  }

  @Route(adminApi.createKey)
  createKey({ params, body }: RequestOf<typeof adminApi.createKey>) {
    return this.keys.createForOrganization(params.id, body, adminActor);
  }

  @Route(adminApi.resetUsage)
  resetUsage({ params }: RequestOf<typeof adminApi.resetUsage>) {
    return this.admin.resetUsage(params.id);
  }

  @Route(adminApi.stats)
  stats(_request: RequestOf<typeof adminApi.stats>) {
    return this.admin.stats();
  }

  @Route(adminApi.plans)
  plans(_request: RequestOf<typeof adminApi.plans>) {
    return Object.values(plans);
  }
}
