import { Injectable } from '@nestjs/common';
import { authApi } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { Registration } from '../organizations/registration.js';
import { EmailService } from './email.service.js';
import { SignupService } from './signup.service.js';

/** Edge: login and sign-up by a code that is sent to an address. */
@Injectable()
export class EmailController {
  constructor(
    private readonly emails: EmailService,
    private readonly signups: SignupService,
    private readonly registration: Registration,
  ) {}

  @Route(authApi.startEmail)
  start({ body }: RequestOf<typeof authApi.startEmail>) {
    return this.emails.start(body.email);
  }

  @Route(authApi.verifyEmail)
  verify({ body }: RequestOf<typeof authApi.verifyEmail>) {
    return this.emails.verify(body);
  }

  @Route(authApi.checkEmail)
  check({ query, ip }: RequestOf<typeof authApi.checkEmail>) {
    return this.emails.check(query.email, ip);
  }

  @Route(authApi.completeSignup)
  completeSignup({ headers, body }: RequestOf<typeof authApi.completeSignup>) {
    return this.signups.complete(body, this.registration.admit(headers['x-admin-key']));
  }
}
