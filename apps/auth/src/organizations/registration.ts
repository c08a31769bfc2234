import { Inject, Injectable } from '@nestjs/common';
import { adminActor, systemActor } from '@spooled/audit';
import { AppError, type AuditActor } from '@spooled/contracts';
import { isSameSecret } from '@spooled/http';
import { AUTH_CONFIG, type AuthConfig } from '../config.js';

/** Decides who may create an organization through the public door. */
@Injectable()
export class Registration {
  constructor(@Inject(AUTH_CONFIG) private readonly config: AuthConfig) {}

  /** Answers who creates it. @throws AppError `ACCESS_DENIED` */
  admit(adminKey: unknown): AuditActor {
    const { REGISTRATION_MODE: mode } = this.config;
    if (mode === 'open') return systemActor;
    if (mode === 'invite') {
      throw new AppError('ACCESS_DENIED', 'Registration is by invitation only.');
    }
    if (isSameSecret(adminKey, this.config.ADMIN_API_KEY)) return adminActor;
    throw new AppError('ACCESS_DENIED', 'Registration is closed.');
  }
}
