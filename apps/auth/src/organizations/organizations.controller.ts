import { Inject, Injectable } from '@nestjs/common';
import { AppError, organizationsApi, type WebhookToken } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { AUTH_CONFIG, type AuthConfig } from '../config.js';
import { OrganizationsService } from './organizations.service.js';
import { Registration } from './registration.js';
import { RemovalService } from './removal.service.js';
import { SlugsService } from './slugs.service.js';
import { UsageService } from './usage.service.js';

/** Edge: sign-up, and an organization's view of itself. */
@Injectable()
export class OrganizationsController {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly registration: Registration,
    private readonly removals: RemovalService,
    private readonly slugs: SlugsService,
    private readonly usages: UsageService,
    @Inject(AUTH_CONFIG) private readonly config: AuthConfig,
  ) {}

  @Route(organizationsApi.create)
  create({ headers, body }: RequestOf<typeof organizationsApi.create>) {
    const creator = this.registration.admit(headers['x-admin-key']);
    return this.organizations.create(body, 'free', creator);
  }

  @Route(organizationsApi.list)
  list({ principal }: RequestOf<typeof organizationsApi.list>) {
    return this.organizations.listOwn(principal);
  }

  @Route(organizationsApi.usage)
  usage({ principal }: RequestOf<typeof organizationsApi.usage>) {
    return this.usages.of(principal.organizationId);
  }

  @Route(organizationsApi.checkSlug)
  checkSlug({ query, ip }: RequestOf<typeof organizationsApi.checkSlug>) {
    return this.slugs.check(query.slug, ip);
  }

  @Route(organizationsApi.generateSlug)
  async generateSlug({ body }: RequestOf<typeof organizationsApi.generateSlug>) {
    return { slug: await this.slugs.generate(body.name) };
  }

  @Route(organizationsApi.webhookToken)
  async webhookToken(request: RequestOf<typeof organizationsApi.webhookToken>) {
    return this.#tokenObject(request, await this.organizations.webhookToken(request.principal));
  }

  @Route(organizationsApi.regenerateWebhookToken)
  async regenerate(request: RequestOf<typeof organizationsApi.regenerateWebhookToken>) {
    const token = await this.organizations.regenerateWebhookToken(request.principal);
    return this.#tokenObject(request, token);
  }

  @Route(organizationsApi.clearWebhookToken)
  clearWebhookToken(_request: RequestOf<typeof organizationsApi.clearWebhookToken>): never {
    throw AppError.invalid('webhook_token', 'cannot be cleared, only regenerated');
  }

  @Route(organizationsApi.get)
  get({ principal, params }: RequestOf<typeof organizationsApi.get>) {
    return this.organizations.get(principal, params.id);
  }

  @Route(organizationsApi.update)
  update({ principal, params, body }: RequestOf<typeof organizationsApi.update>) {
    return this.organizations.updateOwn(principal, params.id, body);
  }

  @Route(organizationsApi.delete)
  delete({ principal, params }: RequestOf<typeof organizationsApi.delete>) {
    return this.removals.removeOwn(principal, params.id);
  }

  @Route(organizationsApi.members)
  members({ principal, params }: RequestOf<typeof organizationsApi.members>) {
    return this.organizations.members(principal, params.id);
  }

  @Route(organizationsApi.member)
  member({ principal, params }: RequestOf<typeof organizationsApi.member>) {
    return this.organizations.member(principal, params.id, params.member);
  }

  #tokenObject(
    { principal, raw }: RequestOf<typeof organizationsApi.webhookToken>,
    token: string,
  ): WebhookToken {
    const base = this.config.EXTERNAL_URL ?? `${raw.protocol}://${raw.host}`;
    const url = `${base}/api/v1/webhooks/${principal.organizationId}/custom`;
    return { webhook_token: token, token, webhook_url: url };
  }
}
