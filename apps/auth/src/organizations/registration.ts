import { Inject, Injectable } from '@nestjs/common';
import { AppError } from '@spooled/contracts';
import { isSameSecret } from '@spooled/http';
import { AUTH_CONFIG, type AuthConfig } from '../config.js';

/** Decides who may create an organization through the public door. */
@Injectable()
export class Registration {
  constructor(@Inject(AUTH_CONFIG) private readonly config: AuthConfig) {}

  /** @throws AppError `ACCESS_DENIED` */
  admit(adminKey: unknown): void {
    const { REGISTRATION_MODE: mode } = this.config;
    if (mode === 'open') return;
    if (mode === 'invite') {
      throw new AppError('ACCESS_DENIED', 'Registration is by invitation only.');
    }
    if (isSameSecret(adminKey, this.config.ADMIN_API_KEY)) return;
    throw new AppError('ACCESS_DENIED', 'Registration is closed.');
  }
}
