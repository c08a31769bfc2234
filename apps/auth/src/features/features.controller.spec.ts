import { featuresApi } from '@spooled/contracts';
import type { RequestOf } from '@spooled/http';

import { loadAuthConfig } from '../config.js';
import { FeaturesController } from './features.controller.js';

const production = { RUST_ENV: 'production', JWT_SECRET: 's'.repeat(32) };
const mail = {
  EMAIL_PROVIDER: 'smtp',
  SMTP_URL: 'smtp://user:hidden@mail.example',
  EMAIL_FROM: 'Spooled <no-reply@example.com>',
};

function told(environment: NodeJS.ProcessEnv) {
  const headers: Record<string, unknown> = {};
  const reply = { header: (name: string, value: unknown) => (headers[name] = value) };
  const answer = new FeaturesController(loadAuthConfig(environment)).read({
    reply,
  } as unknown as RequestOf<never>);
  expect(headers).toEqual({ 'cache-control': 'public, max-age=60' });
  return featuresApi.read.responses[200].parse(answer);
}

it('tell what is there by the settings, and no setting’s value', () => {
  const version = expect.stringMatching(/^\d+\.\d+\.\d+/);
  const none = { registration: 'open', email_login: false, email_signup: false, billing: false };
  expect(told(production)).toEqual({ ...none, version });
  expect(told({ ...production, ...mail, STRIPE_SECRET_KEY: 'sk_hidden' })).toEqual({
    ...none,
    version,
    email_login: true,
    email_signup: true,
    billing: true,
  });
  expect(told({ ...production, ...mail, REGISTRATION_MODE: 'invite' })).toMatchObject({
    registration: 'invite',
    email_login: true,
    email_signup: false,
  });
  expect(told({ ...production, ...mail, EMAIL_SIGNUP_ENABLED: 'false' })).toMatchObject({
    email_signup: false,
  });
  // Who develops reads codes in the log.
  expect(told({})).toMatchObject({ email_login: true, email_signup: true });
});
