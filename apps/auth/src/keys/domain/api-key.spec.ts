import { canUseQueue, isUnrestricted } from '@spooled/contracts';
import fc from 'fast-check';
import { isKeyLike, KEY_SECRET_BYTES, keyPrefix, scopeOf, writeApiKey } from './api-key.js';

const secrets = fc.uint8Array({ minLength: KEY_SECRET_BYTES, maxLength: KEY_SECRET_BYTES });
const queueNames = fc.string({ minLength: 1, maxLength: 20 }).filter((name) => name !== '*');

describe('the text of an API key', () => {
  it('is the prefix and 43 characters of base64url, whatever the secret', () => {
    fc.assert(
      fc.property(secrets, (secret) => {
        expect(writeApiKey('sp_test_', secret)).toMatch(/^sp_test_[A-Za-z0-9_-]{43}$/);
      }),
    );
  });

  it('differs when the secrets differ', () => {
    fc.assert(
      fc.property(secrets, secrets, (one, other) => {
        fc.pre(Buffer.compare(one, other) !== 0);
        expect(writeApiKey('sp_test_', one)).not.toBe(writeApiKey('sp_test_', other));
      }),
    );
  });

  it('is always worth looking up, whatever the prefix setting', () => {
    fc.assert(
      fc.property(secrets, fc.boolean(), (secret, isProduction) => {
        const prefix = keyPrefix('sp_', isProduction);
        expect(isKeyLike(writeApiKey(prefix, secret))).toBe(true);
      }),
    );
  });

  it('refuses a secret of another length', () => {
    expect(() => writeApiKey('sp_test_', new Uint8Array(31))).toThrow('32 bytes');
  });

  it.each([
    ['sp_', true, 'sp_live_'],
    ['sp_', false, 'sp_test_'],
    ['sk_', true, 'sk_live_'],
    ['sk_', false, 'sk_test_'],
  ])('begins with %s and the environment (production: %s): %s', (setting, production, prefix) => {
    expect(keyPrefix(setting, production)).toBe(prefix);
  });

  it.each([
    ['a legacy live key', `sk_live_${'a'.repeat(43)}`, true],
    ['a legacy test key', `sk_test_${'a'.repeat(43)}`, true],
    ['nine characters', 'sp_test_a', false],
    ['256 characters', 'a'.repeat(256), false],
    ['a NUL', `sp_test_${'a'.repeat(42)}\u0000`, false],
    ['a space', 'sp_test_ abcdefgh', false],
    ['a JWT', 'eyJhbGciOiJIUzI1NiJ9.e30.abc', false],
    ['nothing', '', false],
  ])('%s is worth looking up: %#', (_what, text, expected) => {
    expect(isKeyLike(text)).toBe(expected);
  });
});

describe('the queue scope of a key', () => {
  it('is unrestricted when empty', () => {
    expect(scopeOf([])).toEqual([]);
  });

  it('is unrestricted as soon as it holds a star, wherever it stands', () => {
    fc.assert(
      fc.property(fc.array(queueNames), fc.array(queueNames), (before, after) => {
        expect(isUnrestricted({ queues: scopeOf([...before, '*', ...after]) })).toBe(true);
      }),
    );
  });

  it('allows exactly the queues it names', () => {
    fc.assert(
      fc.property(fc.array(queueNames, { minLength: 1 }), queueNames, (names, other) => {
        const caller = { queues: scopeOf(names) };
        expect(isUnrestricted(caller)).toBe(false);
        for (const name of names) expect(canUseQueue(caller, name)).toBe(true);
        expect(canUseQueue(caller, other)).toBe(names.includes(other));
      }),
    );
  });
});
