import { Injectable } from '@nestjs/common';
import { systemActor } from '@spooled/audit';
import { AppError } from '@spooled/contracts';
import { OrganizationsService } from './organizations/organizations.service.js';
import { OrganizationRepository } from './organizations/store/organization.repository.js';

const SLUG = 'demo';

export interface DemoOrganizationState {
  readonly organizationId: string;
  /** The first key, at the one moment it is known: when this call made the organization. */
  readonly apiKey: string | null;
}

/** Gives the standalone host an organization to begin with. */
@Injectable()
export class DemoOrganization {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly repository: OrganizationRepository,
  ) {}

  /** Makes the organization `demo` on the enterprise plan unless there is one. */
  async ensure(): Promise<DemoOrganizationState> {
    const existing = await this.repository.findIdBySlug(SLUG);
    if (existing !== null) return { organizationId: existing, apiKey: null };
    try {
      const request = { name: 'Demo', slug: SLUG };
      const made = await this.organizations.create(request, 'enterprise', systemActor);
      return { organizationId: made.organization.id, apiKey: made.api_key.key };
    } catch (error) {
      // Another process made it between the look and the insert.
      if (error instanceof AppError && error.code === 'CONFLICT') return this.ensure();
      throw error;
    }
  }
}
