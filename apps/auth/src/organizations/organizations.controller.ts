import { Injectable } from '@nestjs/common';
import { organizationsApi } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { OrganizationsService } from './organizations.service.js';
import { Registration } from './registration.js';
import { UsageService } from './usage.service.js';

/** Edge: sign-up, and an organization's view of itself. */
@Injectable()
export class OrganizationsController {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly registration: Registration,
    private readonly usages: UsageService,
  ) {}

  @Route(organizationsApi.create)
  create({ headers, body }: RequestOf<typeof organizationsApi.create>) {
    this.registration.admit(headers['x-admin-key']);
    return this.organizations.create(body, 'free');
  }

  @Route(organizationsApi.list)
  list({ principal }: RequestOf<typeof organizationsApi.list>) {
    return this.organizations.listOwn(principal);
  }

  @Route(organizationsApi.usage)
  usage({ principal }: RequestOf<typeof organizationsApi.usage>) {
    return this.usages.of(principal.organizationId);
  }

  @Route(organizationsApi.get)
  get({ principal, params }: RequestOf<typeof organizationsApi.get>) {
    return this.organizations.get(principal, params.id);
  }
}
