import { createHash, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { AppError } from '@spooled/contracts';
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
    if (!this.#isAdmin(adminKey)) throw new AppError('ACCESS_DENIED', 'Registration is closed.');
  }

  #isAdmin(given: unknown): boolean {
    const expected = this.config.ADMIN_API_KEY;
    if (expected === undefined || typeof given !== 'string') return false;
    return timingSafeEqual(digest(given), digest(expected.reveal()));
  }
}

/** Equal lengths, so that the comparison takes as long for every wrong key. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
