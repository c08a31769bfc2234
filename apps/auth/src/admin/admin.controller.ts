import { Injectable } from '@nestjs/common';
import { adminActor } from '@spooled/audit';
import { adminApi, plans } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { KeysService } from '../keys/keys.service.js';
import { OrganizationsService } from '../organizations/organizations.service.js';

/** Edge: the administrator of the platform. */
@Injectable()
export class AdminController {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly keys: KeysService,
  ) {}

  @Route(adminApi.createOrganization)
  createOrganization({ body }: RequestOf<typeof adminApi.createOrganization>) {
    return this.organizations.create(body, body.plan_tier ?? 'free', adminActor);
  }

  @Route(adminApi.updateOrganization)
  updateOrganization({ params, body }: RequestOf<typeof adminApi.updateOrganization>) {
    return this.organizations.update(params.id, body, adminActor);
  }

  @Route(adminApi.createKey)
  createKey({ params, body }: RequestOf<typeof adminApi.createKey>) {
    return this.keys.createForOrganization(params.id, body, adminActor);
  }

  @Route(adminApi.plans)
  plans(_request: RequestOf<typeof adminApi.plans>) {
    return Object.values(plans);
  }
}
