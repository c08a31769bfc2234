import { Secret } from '@spooled/config';
import { credentialOf, isSameSecret } from './credentials.js';

describe('the credential of a request', () => {
  it('is the bearer, then X-API-Key, then on streams the query', () => {
    const bearer = { authorization: 'Bearer from-bearer' };
    const key = { 'x-api-key': 'from-key' };
    const query = { token: 'from-token', api_key: 'from-query' };
    expect(credentialOf({ ...bearer, ...key }, query)).toBe('from-bearer');
    expect(credentialOf(key, query)).toBe('from-key');
    expect(credentialOf({}, query)).toBe('from-token');
    expect(credentialOf({}, { api_key: 'from-query' })).toBe('from-query');
    expect(credentialOf({}, { ticket: 'from-ticket' })).toBe('from-ticket');
    expect(credentialOf({}, undefined)).toBeUndefined();
  });

  it.each(['Bearer', 'Bearer ', 'Basic abc', 'Bearer a b', '', 'token'])(
    'is not to be found in %j',
    (authorization) => {
      expect(credentialOf({ authorization }, undefined)).toBeUndefined();
    },
  );

  it('may be introduced in any case', () => {
    expect(credentialOf({ authorization: 'bearer  abc ' }, undefined)).toBe('abc');
  });

  it('in the query must be one text', () => {
    for (const token of [['a', 'b'], '', {}, 1]) {
      expect(credentialOf({}, { token })).toBeUndefined();
    }
  });
});

describe('isSameSecret', () => {
  it('compares whole texts, and nothing equals a secret that is not set', () => {
    const secret = new Secret('the secret');
    expect(isSameSecret('the secret', secret)).toBe(true);
    for (const other of ['the secre', 'the secret ', '', undefined, ['the secret'], 5]) {
      expect(isSameSecret(other, secret)).toBe(false);
    }
    expect(isSameSecret('', undefined)).toBe(false);
    expect(isSameSecret(undefined, undefined)).toBe(false);
  });
});
