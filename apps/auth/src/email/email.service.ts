import { randomInt } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  AppError,
  type EmailCheck,
  type EmailStarted,
  type EmailVerified,
  type EmailVerifyRequest,
} from '@spooled/contracts';
import { SharedLimits } from '@spooled/http';
import { AUTH_CONFIG, takesSignups, type AuthConfig } from '../config.js';
import { KeySecrets } from '../keys/key-secrets.js';
import { Allowance, HOUR_MS, MINUTE_MS } from '../limits/allowance.js';
import { OrganizationRepository } from '../organizations/store/organization.repository.js';
import { TokenSigner } from '../tokens/token-signer.js';
import { addressOf, CODE_DIGITS, codeMail, writeCode } from './domain/code-mail.js';
import { Mailer } from './mailer.js';
import { OwnerLogin } from './owner-login.js';
import { EmailCodeRepository } from './store/email-code.repository.js';

const CODE_LIFE_SECS = 10 * 60;
const SIGNUP_LIFE_SECS = 15 * 60;

/** Use cases of whoever can read the mail of an address. */
@Injectable()
export class EmailService {
  readonly #starts: Allowance;
  readonly #checks: Allowance;

  constructor(
    private readonly organizations: OrganizationRepository,
    private readonly owners: OwnerLogin,
    private readonly signer: TokenSigner,
    private readonly secrets: KeySecrets,
    private readonly codes: EmailCodeRepository,
    private readonly mailer: Mailer,
    @Inject(AUTH_CONFIG) private readonly config: AuthConfig,
    limits: SharedLimits,
  ) {
    this.#starts = new Allowance(limits, 'email-start', [{ requests: 5, windowMs: HOUR_MS }]);
    this.#checks = new Allowance(limits, 'check-email', [
      { requests: 10, windowMs: MINUTE_MS },
      { requests: 60, windowMs: HOUR_MS },
    ]);
  }

  /**
   * Sends a code. Does and answers the same for every address, whether anything is sent or not.
   * @throws AppError `RATE_LIMIT_EXCEEDED`
   */
  async start(email: string): Promise<EmailStarted> {
    const address = this.#hash(email);
    this.#starts.take(address.toString('base64'));
    const code = writeCode(randomInt(10 ** CODE_DIGITS));
    const owner = await this.organizations.findIdByAddress(email);
    await this.codes.keep(address, this.#hash(email, code), CODE_LIFE_SECS);
    if (owner !== null || takesSignups(this.config)) {
      this.mailer.post({ to: email, ...codeMail(code, CODE_LIFE_SECS / 60) });
    }
    const message = 'If the address can log in or sign up, a code is on its way.';
    return { success: true, message, sent: true, email_sent_to: email };
  }

  /** @throws AppError `AUTHENTICATION_FAILED`, whatever is wrong with the code. */
  async verify({ email, code }: EmailVerifyRequest): Promise<EmailVerified> {
    const isRight = await this.codes.redeem(this.#hash(email), this.#hash(email, code));
    if (!isRight) refuseCode();
    const owner = await this.organizations.findIdByAddress(email);
    if (owner !== null) {
      const grant = (await this.owners.open(owner, email)) ?? refuseCode();
      return { type: 'login', ...grant };
    }
    if (!takesSignups(this.config)) refuseCode();
    const token = await this.signer.signSignup(email, SIGNUP_LIFE_SECS);
    return { type: 'signup', signup_token: token, email, expires_in: SIGNUP_LIFE_SECS };
  }

  /** @throws AppError `RATE_LIMIT_EXCEEDED`: each answer tells who is a customer. */
  async check(email: string, ip: string): Promise<EmailCheck> {
    this.#checks.take(ip);
    const exists = (await this.organizations.findIdByAddress(email)) !== null;
    return { available: !exists, exists };
  }

  #hash(email: string, code = ''): Buffer {
    return this.secrets.hash(`email ${addressOf(email)} ${code}`);
  }
}

function refuseCode(): never {
  throw new AppError('AUTHENTICATION_FAILED', 'The code is wrong or has expired.');
}
