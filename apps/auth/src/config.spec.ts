import { loadAuthConfig } from './config.js';

const secret = 'a-secret-of-at-least-32-characters';

describe('the environment of auth', () => {
  it('has defaults for everything in development', () => {
    const config = loadAuthConfig({});
    expect(config).toMatchObject({
      JWT_EXPIRATION_HOURS: 24,
      API_KEY_PREFIX: 'sp_',
      REGISTRATION_MODE: 'open',
      isSecretTemporary: true,
      isProduction: false,
    });
    expect(config.JWT_SECRET.reveal()).toHaveLength(43);
    expect(config.JWT_SECRET.reveal()).not.toBe(loadAuthConfig({}).JWT_SECRET.reveal());
  });

  it.each([
    ['no secret in production', { RUST_ENV: 'production' }, 'JWT_SECRET'],
    ['no secret in staging', { SPOOLED_ENV: 'staging' }, 'JWT_SECRET'],
    ['a short secret', { RUST_ENV: 'production', JWT_SECRET: 'a'.repeat(31) }, 'JWT_SECRET'],
    ['a short pepper', { API_KEY_PEPPER: 'short' }, 'API_KEY_PEPPER'],
    ['a prefix without an underscore', { API_KEY_PREFIX: 'sp' }, 'API_KEY_PREFIX'],
    ['a prefix that names tickets', { API_KEY_PREFIX: 'tkt_' }, 'API_KEY_PREFIX'],
    ['a life of no hours', { JWT_EXPIRATION_HOURS: '0' }, 'JWT_EXPIRATION_HOURS'],
    ['smtp without a server', { EMAIL_PROVIDER: 'smtp', EMAIL_FROM: 'a@x.example' }, 'SMTP_URL'],
    ['smtp without a sender', { EMAIL_PROVIDER: 'smtp', SMTP_URL: 'smtp://mail' }, 'EMAIL_FROM'],
    ['a server that is none', { SMTP_URL: 'https://mail' }, 'SMTP_URL'],
    ['an address of ours that is none', { EXTERNAL_URL: 'queue.example.com' }, 'EXTERNAL_URL'],
    ['an unknown registration mode', { REGISTRATION_MODE: 'maybe' }, 'REGISTRATION_MODE'],
  ])('refuses %s by name', (_what, environment, name) => {
    expect(() => loadAuthConfig(environment)).toThrow(name);
  });

  it('names every problem at once, and no value', () => {
    const bad = { RUST_ENV: 'production', JWT_SECRET: 'hush', REGISTRATION_MODE: 'maybe' };
    const load = () => loadAuthConfig(bad);
    expect(load).toThrow(/JWT_SECRET[^]*REGISTRATION_MODE|REGISTRATION_MODE[^]*JWT_SECRET/);
    expect(load).not.toThrow('hush');
  });

  it('cannot be printed with its secrets', () => {
    const config = loadAuthConfig({
      RUST_ENV: 'production',
      JWT_SECRET: secret,
      API_KEY_PEPPER: secret,
      ADMIN_API_KEY: secret,
    });
    expect(JSON.stringify(config)).not.toContain(secret);
    expect(config.isProduction).toBe(true);
  });
});
