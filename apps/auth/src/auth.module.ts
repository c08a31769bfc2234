import { Module } from '@nestjs/common';
import { PostgresModule } from '@spooled/postgres';
import { LOGGER } from '@spooled/telemetry';
import { AdminController } from './admin/admin.controller.js';
import { AdminService } from './admin/admin.service.js';
import { PlatformRepository } from './admin/store/platform.repository.js';
import { AuditController } from './audit/audit.controller.js';
import { AuditTrailRepository } from './audit/store/audit-trail.repository.js';
import { BillingController } from './billing/billing.controller.js';
import { BillingService } from './billing/billing.service.js';
import { BillingRepository } from './billing/store/billing.repository.js';
import { StripeClient } from './billing/stripe-client.js';
import { AUTH_CONFIG, loadAuthConfig } from './config.js';
import { AuthChanges } from './credentials/auth-changes.js';
import { CredentialsResponder } from './credentials/credentials.responder.js';
import { CredentialsService } from './credentials/credentials.service.js';
import { DemoOrganization } from './demo-organization.service.js';
import { EmailController } from './email/email.controller.js';
import { EmailService } from './email/email.service.js';
import { Mailer } from './email/mailer.js';
import { MAIL_TRANSPORT, mailTransport } from './email/mail-transport.js';
import { OwnerLogin } from './email/owner-login.js';
import { SignupService } from './email/signup.service.js';
import { EmailCodeRepository } from './email/store/email-code.repository.js';
import { FeaturesController } from './features/features.controller.js';
import { KeySecrets } from './keys/key-secrets.js';
import { KeysController } from './keys/keys.controller.js';
import { KeysService } from './keys/keys.service.js';
import { LastUsed } from './keys/last-used.js';
import { PepperGuard } from './keys/pepper-guard.js';
import { KeyRepository } from './keys/store/key.repository.js';
import { ExpiryPruner } from './maintenance/expiry-pruner.js';
import { RemovalFinisher } from './maintenance/removal-finisher.js';
import { OrganizationsController } from './organizations/organizations.controller.js';
import { OrganizationsService } from './organizations/organizations.service.js';
import { Registration } from './organizations/registration.js';
import { RemovalService } from './organizations/removal.service.js';
import { SlugsService } from './organizations/slugs.service.js';
import { OrganizationRepository } from './organizations/store/organization.repository.js';
import { RemovalRepository } from './organizations/store/removal.repository.js';
import { UsageService } from './organizations/usage.service.js';
import { SessionRepository } from './tokens/store/session.repository.js';
import { TokenSigner } from './tokens/token-signer.js';
import { TokensController } from './tokens/tokens.controller.js';
import { TokensService } from './tokens/tokens.service.js';

// The host's doors into this room; nothing else may be imported from it.
export { DemoOrganization } from './demo-organization.service.js';
export type { DemoOrganizationState } from './demo-organization.service.js';
export { migrations } from './migrations/index.js';

/** Organizations, API keys, sessions: who may do what. */
@Module({
  imports: [PostgresModule.forRoom({ role: 'spooled_auth', maxConnections: 4 })],
  providers: [
    { provide: AUTH_CONFIG, useFactory: () => loadAuthConfig() },
    OrganizationRepository,
    KeyRepository,
    SessionRepository,
    KeySecrets,
    TokenSigner,
    LastUsed,
    AuthChanges,
    CredentialsService,
    OrganizationsService,
    Registration,
    UsageService,
    SlugsService,
    RemovalRepository,
    RemovalService,
    AuditTrailRepository,
    PlatformRepository,
    AdminService,
    KeysService,
    TokensService,
    EmailCodeRepository,
    { provide: MAIL_TRANSPORT, inject: [AUTH_CONFIG, LOGGER], useFactory: mailTransport },
    Mailer,
    OwnerLogin,
    EmailService,
    SignupService,
    EmailController,
    BillingRepository,
    StripeClient,
    BillingService,
    BillingController,
    FeaturesController,
    OrganizationsController,
    KeysController,
    TokensController,
    AdminController,
    AuditController,
    CredentialsResponder,
    PepperGuard,
    ExpiryPruner,
    RemovalFinisher,
    DemoOrganization,
  ],
  exports: [DemoOrganization],
})
export class AuthModule {}
