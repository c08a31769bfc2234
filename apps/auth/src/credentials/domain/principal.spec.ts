import { plans, principal as principalSchema } from '@spooled/contracts';
import { principalOf, type Access } from './principal.js';

function access(over: Partial<Access> = {}): Access {
  return {
    organization_id: '01970000-0000-7000-8000-000000000001',
    id: '01970000-0000-7000-8000-000000000002',
    queues: ['*'],
    rate_limit: null,
    expires_at: null,
    plan_tier: 'free',
    custom_limits: null,
    ...over,
  };
}

describe('the principal of a credential', () => {
  it('crosses the bus unchanged', () => {
    const principal = principalOf(access(), { credential: 'key' });
    expect(principalSchema.parse(JSON.parse(JSON.stringify(principal)))).toEqual(principal);
  });

  it.each([
    ['no queues', [], []],
    ['a star', ['*'], []],
    ['a star among names', ['emails', '*'], []],
    ['names', ['emails', 'reports'], ['emails', 'reports']],
  ])('has the scope of the record: %s', (_what, queues, expected) => {
    expect(principalOf(access({ queues }), { credential: 'key' }).queues).toEqual(expected);
  });

  it('lays custom limits over the plan', () => {
    const over = { plan_tier: 'pro', custom_limits: { max_queues: null, max_workers: 7 } };
    expect(principalOf(access(over), { credential: 'key' }).plan).toEqual({
      ...plans.pro,
      max_queues: null,
      max_workers: 7,
    });
  });

  it('treats an unknown tier as free', () => {
    const { plan } = principalOf(access({ plan_tier: 'platinum' }), { credential: 'key' });
    expect(plan).toEqual(plans.free);
  });

  it('carries the limit and the end of the key, and the token it was presented as', () => {
    const token = { issuedAt: 1, expiresAt: 2, jti: 'j', sid: 's' };
    const expires_at = new Date('2030-01-01T00:00:00Z');
    expect(
      principalOf(access({ rate_limit: 60, expires_at }), { credential: 'jwt', token }),
    ).toMatchObject({
      credential: 'jwt',
      token,
      keyRateLimit: 60,
      keyExpiresAt: '2030-01-01T00:00:00.000Z',
    });
  });
});
