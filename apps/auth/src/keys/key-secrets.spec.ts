import { Secret } from '@spooled/config';
import { loadAuthConfig, type AuthConfig } from '../config.js';
import { KeySecrets } from './key-secrets.js';

const one = 'the-first-secret-of-32-characters-';
const other = 'another-secret-of-32-characters---';

function secrets(jwtSecret: string, over: Partial<AuthConfig> = {}): KeySecrets {
  const config = loadAuthConfig({ SPOOLED_ENV: 'test', JWT_SECRET: jwtSecret });
  return new KeySecrets({ ...config, ...over });
}

describe('the secrets of keys', () => {
  it('issue a key whose hash is the one that is stored', () => {
    const issuer = secrets(one);
    const { text, hash } = issuer.issue();
    expect(text).toMatch(/^sp_test_[A-Za-z0-9_-]{43}$/);
    expect(issuer.hash(text)).toEqual(hash);
    expect(hash).toHaveLength(32);
    expect(issuer.issue().text).not.toBe(text);
  });

  it('say live in production', () => {
    expect(secrets(one, { isProduction: true }).issue().text).toMatch(/^sp_live_/);
  });

  it('hash differently under another secret, and the fingerprint tells so', () => {
    expect(secrets(one).hash('a key')).not.toEqual(secrets(other).hash('a key'));
    expect(secrets(one).fingerprint()).not.toEqual(secrets(other).fingerprint());
    expect(secrets(one).fingerprint()).toEqual(secrets(one).fingerprint());
  });

  it('stay the same through a rotation of JWT_SECRET when the old one is kept as pepper', () => {
    const rotated = secrets(other, { API_KEY_PEPPER: new Secret(one) });
    expect(rotated.hash('a key')).toEqual(secrets(one).hash('a key'));
    expect(rotated.fingerprint()).toEqual(secrets(one).fingerprint());
  });
});
