import {
  authRpc,
  trafficTold,
  type AccessGrant,
  type Identity,
  type Validation,
} from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { eventually } from '@spooled/testing';
import { decodeJwt, SignJWT, UnsecuredJWT } from 'jose';
import { randomBytes } from 'node:crypto';
import { JWT_SECRET, TestService, withinOne } from './setup.js';

const HOUR = 3600;
const MINUTE_MS = 60_000;
const secret = new TextEncoder().encode(JWT_SECRET);
let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(async () => {
  await service.stop();
});

/** The claims of a good access token of an organization, to be bent. */
async function goodClaims(type = 'access') {
  const { key, ...organization } = await service.organization();
  const grant = await service.login(key);
  const token = type === 'access' ? grant.access_token : grant.refresh_token;
  return { organization, key, grant, claims: decodeJwt(token) };
}

function sign(claims: Record<string, unknown>, alg = 'HS256', by = secret): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg, typ: 'JWT' }).sign(by);
}

describe('POST /auth/login', () => {
  it('trades a key for tokens with the promised claims and lives', async () => {
    const { id, key, keyId } = await service.organization();
    const { status, body } = await service.call<Record<string, string>>('POST', '/auth/login', {
      body: { api_key: key },
    });
    expect(status).toBe(200);
    expect(body).toEqual({
      access_token: expect.stringMatching(/^eyJ/),
      refresh_token: expect.stringMatching(/^eyJ/),
      token_type: 'Bearer',
      expires_in: 24 * HOUR,
      refresh_expires_in: 24 * 24 * HOUR,
    });
    const access = decodeJwt(body['access_token']!);
    expect(access).toEqual({
      sub: keyId,
      org_id: id,
      api_key_id: keyId,
      queues: ['*'],
      token_type: 'access',
      iat: expect.any(Number),
      nbf: access.iat,
      exp: access.iat! + 24 * HOUR,
      jti: expect.any(String),
      sid: expect.any(String),
    });
    const refresh = decodeJwt(body['refresh_token']!);
    expect(refresh).toMatchObject({
      token_type: 'refresh',
      sid: access['sid'],
      exp: refresh.iat! + 24 * 24 * HOUR,
    });
    expect(refresh.jti).not.toBe(access.jti);
  });

  it.each([
    ['a short key', { api_key: 'sp_test_1' }, 400, 'VALIDATION_ERROR'],
    ['no key', {}, 400, 'VALIDATION_ERROR'],
    ['a key that is a number', { api_key: 1_234_567_890 }, 400, 'VALIDATION_ERROR'],
    ['a key that is too long', { api_key: 'a'.repeat(256) }, 400, 'VALIDATION_ERROR'],
    ['an unknown key', { api_key: `sp_test_${'a'.repeat(43)}` }, 401, 'AUTHENTICATION_FAILED'],
    [
      'an unknown legacy key',
      { api_key: `sk_live_${'a'.repeat(43)}` },
      401,
      'AUTHENTICATION_FAILED',
    ],
    ['no key of ours', { api_key: "' or 1=1 --   " }, 401, 'AUTHENTICATION_FAILED'],
  ])('refuses %s', async (_what, body, status, code) => {
    const answer = await service.call('POST', '/auth/login', { body });
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
  });

  const tryKey = (key: string) => service.call('POST', '/auth/login', { body: { api_key: key } });

  it.each([
    ['good', 200, async () => (await service.organization()).key],
    ['bad', 401, async () => `sp_test_${randomBytes(32).toString('base64url')}`],
  ])('refuses the sixth try of a %s key in a minute', async (_, status, keyOf) => {
    const answers = await withinOne(MINUTE_MS, async () => {
      const key = await keyOf();
      const all = [];
      for (let attempt = 0; attempt < 6; attempt += 1) all.push(await tryKey(key));
      return all;
    });
    expect(answers.map((answer) => answer.status)).toEqual([...Array(5).fill(status), 429]);
    const { body, headers } = answers.at(-1)!;
    expect(body).toEqual({
      code: 'RATE_LIMIT_EXCEEDED',
      error: expect.any(String),
      message: expect.any(String),
      retry_after_secs: Number(headers.get('retry-after')),
      limit: 5,
      remaining: 0,
      reset_at: expect.any(String),
    });
    const other = await service.organization();
    expect((await service.login(other.key)).token_type).toBe('Bearer');
  });

  it('counts the tries at all instances together, and tells them no key', async () => {
    const first = service.context;
    await service.boot();
    const second = service.context;
    const told: string[] = [];
    const bus = second.get(Bus);
    bus.subscribe(`${trafficTold.subject}.*`, (message) => told.push(message.string()));
    await bus.connection.flush();
    try {
      const { key, statuses } = await withinOne(MINUTE_MS, async () => {
        const { key } = await service.organization();
        const statuses: number[] = [];
        for (let attempt = 0; attempt < 7; attempt += 1) {
          service.context = attempt % 2 === 0 ? first : second;
          const heard = told.length;
          const { status } = await tryKey(key);
          statuses.push(status);
          // What was let through is told within a tenth of a second.
          if (status === 200) {
            await eventually(() => told.slice(heard).some((text) => text.includes('login')));
          }
        }
        return { key, statuses };
      });
      expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
      expect(told.join()).not.toContain(key);
    } finally {
      service.context = first;
      await second.close();
    }
  });
});

describe('POST /auth/refresh', () => {
  it('gives a new access token of the same session', async () => {
    const { grant } = await goodClaims();
    const { status, body } = await service.call<AccessGrant>('POST', '/auth/refresh', {
      body: { refresh_token: grant.refresh_token },
    });
    expect(status).toBe(200);
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 24 * HOUR,
    });
    expect(body.access_token).not.toBe(grant.access_token);
    expect(decodeJwt(body.access_token)['sid']).toBe(decodeJwt(grant.access_token)['sid']);
    const used = await service.call('GET', '/auth/me', { credential: body.access_token });
    expect(used.status).toBe(200);
  });

  it('refuses what is no good refresh token', async () => {
    const { grant, claims, key } = await goodClaims('refresh');
    const now = Math.floor(Date.now() / 1000);
    const bad = {
      'an access token': grant.access_token,
      'an API key': key,
      'an expired one': await sign({ ...claims, exp: now - 1 }),
      'one signed by someone else': await sign(
        claims,
        'HS256',
        new TextEncoder().encode('x'.repeat(40)),
      ),
      'one of another session': await sign({
        ...claims,
        sid: '00000000-0000-4000-8000-000000000000',
      }),
      nonsense: 'nonsense',
    };
    for (const [what, refresh_token] of Object.entries(bad)) {
      const { status, body } = await service.call('POST', '/auth/refresh', {
        body: { refresh_token },
      });
      expect([what, status, body['code']]).toEqual([what, 401, 'AUTHENTICATION_FAILED']);
    }
    for (const body of [{}, { refresh_token: '' }, { refresh_token: 7 }]) {
      expect((await service.call('POST', '/auth/refresh', { body })).status).toBe(400);
    }
  });
});

describe('a token', () => {
  it('is refused when anything about it is wrong', async () => {
    const { claims, grant, organization } = await goodClaims();
    const other = await goodClaims();
    const now = Math.floor(Date.now() / 1000);
    const { sid: _sid, ...withoutSid } = claims;
    const { exp: _exp, ...withoutEnd } = claims;
    const bad = {
      expired: await sign({ ...claims, exp: now - 1 }),
      'not yet good': await sign({ ...claims, nbf: now + 60 }),
      'without a session': await sign(withoutSid),
      'without an end': await sign(withoutEnd),
      'of another type': grant.refresh_token,
      unsigned: new UnsecuredJWT(claims).encode(),
      'signed by another algorithm': await sign(claims, 'HS512'),
      'signed by another secret': await sign(
        claims,
        'HS256',
        new TextEncoder().encode('y'.repeat(40)),
      ),
      'of another organization’s key': await sign({ ...claims, org_id: other.organization.id }),
      'of another key’s session': await sign({ ...claims, sid: other.claims['sid'] }),
      'of ids that are none': await sign({ ...claims, org_id: 'demo' }),
      cut: grant.access_token.slice(0, -2),
    };
    for (const [what, credential] of Object.entries(bad)) {
      const { status, body } = await service.call('GET', '/auth/me', { credential });
      expect([what, status, body['code']]).toEqual([what, 401, 'UNAUTHORIZED']);
    }
    const good = await service.call('GET', '/auth/me', { credential: await sign(claims) });
    expect([good.status, good.body['organization_id']]).toEqual([200, organization.id]);
  });
});

describe('GET /auth/me', () => {
  it('tells whom the token speaks for', async () => {
    const { organization, claims, grant } = await goodClaims();
    const { status, body } = await service.call<Identity>('GET', '/auth/me', {
      credential: grant.access_token,
    });
    expect(status).toBe(200);
    expect(body).toEqual({
      organization_id: organization.id,
      api_key_id: organization.keyId,
      queues: ['*'],
      issued_at: new Date(claims.iat! * 1000).toISOString(),
      expires_at: new Date(claims.exp! * 1000).toISOString(),
      organization: {
        id: organization.id,
        name: 'Test organization',
        slug: organization.slug,
        plan_tier: 'pro',
        billing_email: null,
      },
    });
  });

  it('is for tokens only', async () => {
    const { key } = await service.organization();
    const { status, body } = await service.call('GET', '/auth/me', { credential: key });
    expect([status, body['code']]).toEqual([401, 'UNAUTHORIZED']);
  });
});

describe('POST /auth/logout', () => {
  it('ends every token of the login, and no other login', async () => {
    const { key } = await service.organization();
    const grant = await service.login(key);
    const other = await service.login(key);
    const refreshed = await service.call<AccessGrant>('POST', '/auth/refresh', {
      body: { refresh_token: grant.refresh_token },
    });
    const ended = [grant.access_token, refreshed.body.access_token];
    for (const credential of ended) {
      expect((await service.call('GET', '/auth/me', { credential })).status).toBe(200);
    }
    const { status, text } = await service.call('POST', '/auth/logout', {
      credential: grant.access_token,
      headers: { 'content-type': 'application/json' },
    });
    expect([status, text]).toEqual([204, '']);
    for (const credential of ended) {
      expect((await service.call('GET', '/auth/me', { credential })).status).toBe(401);
    }
    const refused = await service.call('POST', '/auth/refresh', {
      body: { refresh_token: grant.refresh_token },
    });
    expect(refused.status).toBe(401);
    expect((await service.call('GET', '/auth/me', { credential: other.access_token })).status).toBe(
      200,
    );
    expect((await service.call('GET', '/organizations', { credential: key })).status).toBe(200);
  });

  it('holds for the very next request, every time', async () => {
    const { id } = await service.organization();
    const me = async (credential: string) =>
      (await service.call('GET', '/auth/me', { credential })).status;
    for (let round = 0; round < 30; round += 1) {
      const { key } = await service.key(id);
      const { access_token: credential } = await service.login(key);
      expect(await me(credential)).toBe(200);
      await service.call('POST', '/auth/logout', { credential });
      expect(await me(credential)).toBe(401);
    }
  });

  it('ends the session of the refresh token it is given, if that is the organization’s own', async () => {
    const { key } = await service.organization();
    const stranger = await service.organization();
    const own = await service.login(key);
    const theirs = await service.login(stranger.key);
    for (const { refresh_token } of [own, theirs]) {
      const { status } = await service.call('POST', '/auth/logout', {
        credential: key,
        body: { refresh_token },
      });
      expect(status).toBe(204);
    }
    const refresh = async (refresh_token: string) =>
      (await service.call('POST', '/auth/refresh', { body: { refresh_token } })).status;
    expect(await refresh(own.refresh_token)).toBe(401);
    expect(await refresh(theirs.refresh_token)).toBe(200);
  });

  it('has nothing to end for a key, whatever it is sent along', async () => {
    const { key } = await service.organization();
    for (const body of [undefined, {}, { refresh_token: null }, { refresh_token: 'nonsense' }]) {
      const { status } = await service.call('POST', '/auth/logout', { credential: key, body });
      expect(status).toBe(204);
    }
    expect((await service.call('POST', '/auth/logout')).status).toBe(401);
  });
});

describe('POST /auth/validate', () => {
  async function validate(token: string) {
    return service.call<Validation>('POST', '/auth/validate', { body: { token } });
  }

  it('shows the claims of a good token, with the scope of the key as it is now', async () => {
    const { organization, claims, grant, key } = await goodClaims();
    await service.call('PUT', `/api-keys/${organization.keyId}`, {
      credential: key,
      body: { queues: ['emails'] },
    });
    const { status, body } = await validate(grant.access_token);
    expect(status).toBe(200);
    expect(body).toEqual({
      valid: true,
      error: null,
      message: null,
      claims: {
        organization_id: organization.id,
        api_key_id: organization.keyId,
        queues: ['emails'],
        iat: claims.iat,
        exp: claims.exp,
      },
    });
  });

  it('answers 200 and says what is wrong with any other', async () => {
    const { claims, grant, key } = await goodClaims();
    const ended = (await goodClaims()).grant.access_token;
    await service.call('POST', '/auth/logout', { credential: ended });
    const expired = await sign({ ...claims, exp: Math.floor(Date.now() / 1000) - 1 });
    const table: [string, string, string][] = [
      ['an expired token', expired, 'token_expired'],
      ['a token after logout', ended, 'token_revoked'],
      ['a refresh token', grant.refresh_token, 'invalid_token'],
      ['an API key', key, 'invalid_token'],
      ['nothing', '', 'invalid_token'],
      ['a NUL', 'eyJ\u0000', 'invalid_token'],
      ['very much', `eyJ${'a'.repeat(100_000)}`, 'invalid_token'],
    ];
    for (const [what, token, error] of table) {
      const { status, body } = await validate(token);
      expect([what, status, body]).toEqual([
        what,
        200,
        { valid: false, error, message: expect.any(String), claims: null },
      ]);
    }
  });
});

describe('POST /auth/tickets', () => {
  async function redeem(ticket: string) {
    const answer = await service.context.get(Bus).request(authRpc.resolve, { credential: ticket });
    return answer.principal;
  }

  it('makes a ticket that is good once', async () => {
    const { id, key, keyId } = await service.organization();
    const { status, body } = await service.call<{ ticket: string }>('POST', '/auth/tickets', {
      credential: key,
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      ticket: expect.stringMatching(/^tkt_[A-Za-z0-9_-]{64}$/),
      expires_in: 30,
    });
    const uses = await Promise.all(Array.from({ length: 5 }, () => redeem(body.ticket)));
    expect(uses.filter((principal) => principal !== null)).toEqual([
      expect.objectContaining({
        organizationId: id,
        apiKeyId: keyId,
        credential: 'key',
        narrowedTo: { queue: null, jobId: null },
      }),
    ]);
  });

  it('passes on the token it was made with, and dies with its session', async () => {
    const { key } = await service.organization();
    const { access_token: credential } = await service.login(key);
    const make = async () =>
      (await service.call<{ ticket: string }>('POST', '/auth/tickets', { credential })).body.ticket;
    const [first, second] = [await make(), await make()];
    const claims = decodeJwt(credential);
    expect(await redeem(first)).toMatchObject({
      credential: 'jwt',
      token: { sid: claims['sid'], jti: claims.jti, expiresAt: claims.exp, issuedAt: claims.iat },
    });
    await service.call('POST', '/auth/logout', { credential });
    expect(await redeem(second)).toBeNull();
  });

  it('narrows to a queue within the key’s scope only', async () => {
    const { id } = await service.organization();
    const { key } = await service.key(id, { queues: ['emails'] });
    const make = (body: object) =>
      service.call<{ ticket: string }>('POST', '/auth/tickets', { credential: key, body });
    const good = await make({ queue: 'emails', job_id: 'a-job' });
    expect(await redeem(good.body.ticket)).toMatchObject({
      queues: ['emails'],
      narrowedTo: { queue: 'emails', jobId: 'a-job' },
    });
    const bad = await make({ queue: 'reports' });
    expect([bad.status, bad.body]).toEqual([
      403,
      expect.objectContaining({ code: 'ACCESS_DENIED' }),
    ]);
    for (const body of [{ queue: '' }, { queue: 'a b' }, { queue: 7 }, { job_id: '' }]) {
      expect((await make(body)).status).toBe(400);
    }
  });

  it('carries no more than the queue it is narrowed to, nor a queue the key has lost since', async () => {
    const { key, keyId } = await service.organization();
    const make = async () => {
      const options = { credential: key, body: { queue: 'emails' } };
      const { body } = await service.call<{ ticket: string }>('POST', '/auth/tickets', options);
      return body.ticket;
    };
    const [first, second] = [await make(), await make()];
    expect(await redeem(first)).toMatchObject({ queues: ['emails'] });
    await service.call('PUT', `/api-keys/${keyId}`, {
      credential: key,
      body: { queues: ['reports'] },
    });
    expect(await redeem(second)).toBeNull();
  });

  it('knows no ticket it did not make', async () => {
    for (const ticket of ['tkt_', 'tkt_nonsense', `tkt_${'A'.repeat(64)}`]) {
      expect(await redeem(ticket)).toBeNull();
    }
  });
});
