import { Inject, Injectable } from '@nestjs/common';
import {
  AppError,
  type AuditActor,
  type SignupCompleted,
  type SignupRequest,
} from '@spooled/contracts';
import { AUTH_CONFIG, type AuthConfig } from '../config.js';
import { OrganizationsService } from '../organizations/organizations.service.js';
import { TokenSigner } from '../tokens/token-signer.js';
import { TokensService } from '../tokens/tokens.service.js';

/** Use case of whoever has shown to read an address that no organization has. */
@Injectable()
export class SignupService {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly tokens: TokensService,
    private readonly signer: TokenSigner,
    @Inject(AUTH_CONFIG) private readonly config: AuthConfig,
  ) {}

  /** @throws AppError `AUTHENTICATION_FAILED`, `ACCESS_DENIED`, `CONFLICT` when the slug or the address is taken. */
  async complete(request: SignupRequest, creator: AuditActor): Promise<SignupCompleted> {
    const email = await this.signer.verifySignup(request.signup_token);
    if (email === null) {
      throw new AppError('AUTHENTICATION_FAILED', 'Invalid or expired signup token');
    }
    if (!this.config.EMAIL_SIGNUP_ENABLED) {
      throw new AppError('ACCESS_DENIED', 'Signing up by e-mail is switched off.');
    }
    const { name, slug } = request;
    const wanted = { name, slug, billing_email: email };
    const { organization, api_key: key } = await this.organizations.create(wanted, 'free', creator);
    const holder = { organizationId: organization.id, apiKeyId: key.id, queues: ['*'], email };
    const { refresh_expires_in: _untold, ...tokens } = await this.tokens.open(holder);
    return {
      organization: { id: organization.id, name, slug, billing_email: email },
      api_key: key.key,
      ...tokens,
    };
  }
}
