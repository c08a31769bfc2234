import { createRequire } from 'node:module';
import { Inject, Injectable } from '@nestjs/common';
import { featuresApi, type Features } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { AUTH_CONFIG, takesSignups, type AuthConfig } from '../config.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** Edge: what is switched on here, for clients that would offer it. Settings are said by name, none by its value. */
@Injectable()
export class FeaturesController {
  readonly #features: Features;

  constructor(@Inject(AUTH_CONFIG) config: AuthConfig) {
    // Codes that are only logged log nobody in, but for who develops.
    const sendsMail = config.EMAIL_PROVIDER === 'smtp' || !config.isProduction;
    this.#features = {
      version,
      registration: config.REGISTRATION_MODE,
      email_login: sendsMail,
      email_signup: sendsMail && takesSignups(config),
      billing: config.STRIPE_SECRET_KEY !== undefined,
    };
  }

  @Route(featuresApi.read)
  read({ reply }: RequestOf<typeof featuresApi.read>): Features {
    reply.header('cache-control', 'public, max-age=60');
    return this.#features;
  }
}
